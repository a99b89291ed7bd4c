"""A product whose tenants have a schema or a database each, from `up` to its second release, with traffic meanwhile.

It is the product of the tutorial, but for where it keeps a tenant's notes; its second version writes a column that its
own schema change brings, so that a tenant who is led to it before that would be answered by errors.
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psycopg
import pytest

from stationmaster.domain.errors import Exit
from tests.repository import Repository
from tests.stories.sandbox import ROOT, Answered, Sandbox
from tests.tutorial_page import parts

PAGE = ROOT / "docs" / "tutorial" / "first-release.md"
TENANTS = ("acme", "bolt", "corvo")
SAYS = {
    "schema": "  tenancy: schema\n  schema_name: 'notes_{tenant}'\n  parallel: 2\n",
    "database": "  tenancy: database\n  parallel: 2\n",
}
ASK = {
    "schema": """\
    def ask(self, statement, *values):
        tenant = self.headers["X-Tenant"]
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            connection.execute(f'SET search_path = "notes_{tenant}"')
            return connection.execute(statement, values).fetchall()
""",
    "database": """\
    def ask(self, statement, *values):
        with psycopg.connect(os.environ["DATABASE_URL"].replace("{tenant}", self.headers["X-Tenant"])) as connection:
            return connection.execute(statement, values).fetchall()
""",
}
SECOND = """\
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade():
    op.add_column("notes", sa.Column("size", sa.BigInteger))
"""
HOMES = {
    "schema": ("cloud.notes_acme", "cloud.notes_bolt", "corvo.notes_corvo"),
    "database": ("cloud.acme", "cloud.bolt", "corvo.corvo"),
}


@pytest.fixture
def stranger() -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory(prefix="stm-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Sandbox(Path(folder))
        try:
            yield made
        finally:
            made.run("down", "--delete")


def first(folder: Path, tenancy: str) -> Repository:
    """The page's product as it is first released, but for its tenancy."""
    files: dict[str, str] = {}
    for part in parts(PAGE):
        if part.kind == "file":
            files.setdefault(part.name, part.text)
    code = files["src/notes.py"]
    begin = code.index("    def ask(")
    files["src/notes.py"] = code[:begin] + ASK[tenancy] + code[code.index("\n    def answer(") :]
    said = files["stationmaster.yaml"].replace("watch: 15s", "watch: 6s")
    files["stationmaster.yaml"] = said.replace("  expand: expand@head\n", f"  expand: expand@head\n{SAYS[tenancy]}")
    made = Repository.begin(folder, "Stranger")
    made.commit("Notes", files)
    made.git("tag", "v1.0.0")
    return made


def second(repository: Repository) -> None:
    code = (repository.path / "src" / "notes.py").read_text()
    right, wrong = "INSERT INTO notes (tenant, text) VALUES (%s, %s)", "VALUES (%s, %s, length(%s))"
    changed = code.replace(right, f"INSERT INTO notes (tenant, text, size) {wrong}")
    changed = changed.replace('self.ask(statement, self.headers["X-Tenant"], text)', _CALL)
    assert "(tenant, text, size)" in changed
    assert _CALL in changed
    files = {"src/notes.py": changed, "migrations/versions/0002_size.py": SECOND}
    repository.commit("Sizes", {**files, "changes/size.md": "---\nkind: added\n---\nA note knows its size.\n"})
    repository.git("tag", "v1.1.0")


_CALL = 'self.ask(statement, self.headers["X-Tenant"], text, text)'


@dataclass
class Traffic:
    """Each tenant writes a note and reads, a few times a second, until the block ends."""

    front: str
    answers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENANTS, 0))
    bad: list[tuple[str, int, str]] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.threads = [threading.Thread(target=self._ask, args=(tenant,)) for tenant in TENANTS]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, tenant: str) -> None:
        with httpx.Client(base_url=self.front, headers={"X-Tenant": tenant}, timeout=20) as client:
            while not self.done.is_set():
                for answer in (client.post("/notes", json={"text": "milk"}), client.get("/notes")):
                    self.answers[tenant] += 1
                    if not answer.is_success:
                        self.bad.append((tenant, answer.status_code, answer.text))
                time.sleep(0.2)


def brought_up(person: Sandbox, folder: Path) -> Answered:
    """Prefect's server may take longer to start than `up` waits on a busy machine; it is safe to repeat."""
    for _ in range(4):
        up = person.run("up", str(folder), "--json", timeout=600)
        if up.code != Exit.UNKNOWN:
            break
    assert up.code == 0, up.out + up.err
    return up


def release(person: Sandbox, version: str) -> None:
    name = f"notes-{version.replace('.', '-')}"
    begun = person.run("release", "start", "--ref", f"v{version}", "--starter", "ana", timeout=600)
    assert begun.code == 4, begun.out + begun.err
    approved = person.run("approve", name, "--key", person.key("rosa"))
    assert approved.code == 0, approved.err
    ended = person.run("release", "start", name, timeout=600)
    assert ended.code == 0, ended.out + ended.err


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.parametrize("tenancy", ["schema", "database"])
def test_a_product_with_tenants_apart_is_brought_up_and_released_twice(stranger: Sandbox, tenancy: str) -> None:
    repository = first(stranger.home / "notes", tenancy)
    up = brought_up(stranger, repository.path)
    release(stranger, "1.0.0")
    second(repository)
    with Traffic(up.json["front"]) as traffic:
        release(stranger, "1.1.0")
    assert traffic.bad == []
    assert min(traffic.answers.values()) > 10
    found = stranger.run("release", "status", "notes-1-1-0", "--json").json
    assert {
        tenant: (one["database"], one["revision"], one["under_way"]) for tenant, one in found["databases"].items()
    } == {tenant: (name, "0002", False) for tenant, name in zip(TENANTS, HOMES[tenancy], strict=True)}
    assert "0002" in stranger.run("release", "status", "notes-1-1-0").out
    assert stranger.run("evidence", "drift", "--json").json["found"] == []
    assert [notes_of(stranger, tenancy, tenant) > 0 for tenant in TENANTS] == [True] * 3
    back = stranger.run("release", "rollback", "notes-1-1-0", "--all", "--now", "--reason", "no sizes", timeout=600)
    assert back.code in {0, 1}, back.err
    assert {stranger.answers_of(tenant) for tenant in TENANTS} != {found["digest"]}


def notes_of(person: Sandbox, tenancy: str, tenant: str) -> int:
    """Rows with a size in the tenant's own place."""
    instance = "corvo" if tenant == "corvo" else "cloud"
    name = f"notes_{instance}" if tenancy == "schema" else f"notes_{instance}_{tenant}"
    table = f"notes_{tenant}.notes" if tenancy == "schema" else "notes"
    with psycopg.connect(host=str(person.run_dir / "postgres" / "s"), user="app", dbname=name) as connection:
        row = connection.execute(b"SELECT count(size) FROM %s" % table.encode()).fetchone()
    assert row is not None
    return int(row[0])
