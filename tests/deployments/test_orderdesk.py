"""Orderdesk as the sandbox has it: the same history everywhere, and versions that do what the demo says of them."""

import hashlib
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from stationmaster.blocks.journeys import Endpoint
from stationmaster.deployments.sandbox import orderdesk
from stationmaster.deployments.sandbox.orderdesk import RELEASES, STAGE_TENANT, TRAFFIC
from stationmaster.domain.fragments import read_fragments
from stationmaster.domain.migrations import lint, lint_expand
from stationmaster.domain.tenants import Directory
from tests.conftest import Postgres
from tests.deployments.orderdesk_versions import Version, export, log_in, status

TAGS = [release.tag for release in RELEASES]
DIRECTORY = Directory.model_validate(YAML(typ="safe").load(Path(orderdesk.__file__).with_name("tenants.yaml")))
PILOTS = [tenant.id for tenant in DIRECTORY.tenants if tenant.ring == "pilot"]

AtTag = Callable[[str], Version]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("orderdesk") / "repository"
    orderdesk.create(path)
    return path


@pytest.fixture(scope="module")
def at_tag(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> AtTag:
    """Each tag exported and built at most once."""
    folder = tmp_path_factory.mktemp("versions")
    return cache(lambda tag: export(repository, tag, folder))


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for a unix socket."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="stm-"))
    yield folder
    shutil.rmtree(folder)


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


# The series


def test_the_history_has_the_recorded_commits(repository: Path) -> None:
    assert {tag: git(repository, "rev-parse", f"{tag}^{{commit}}").strip() for tag in TAGS} == {
        "v1.0.0": "808f68897c622693e944d7e9c89d0218d91aa383",
        "v1.1.0": "1217aa58d1428e7b72911c629f8dc4c98d1a9e28",
        "v1.2.0": "484d0ebe758c788b225df79f42c4783c1c0615fc",
        "v1.3.0": "2c99e7822dd8e48215a61e24712d8e4df64c6338",
        "v1.4.0": "549c5b12f19dab375821b7d6f16e7a1ebaa0a2c3",
        "v1.4.1": "9799efb614c11094ce81885cd8573654b631f99c",
    }
    assert git(repository, "rev-parse", "main") == git(repository, "rev-parse", "v1.4.1")
    assert git(repository, "status", "--porcelain") == ""


def test_a_persons_git_configuration_does_not_reach_in(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = tmp_path / "gitconfig"
    hostile.write_text(
        "[user]\n name = Somebody\n email = some@body.example\n[commit]\n gpgSign = true\n[core]\n autocrlf = true\n"
        "[init]\n defaultBranch = trunk\n defaultObjectFormat = sha256\n[am]\n threeWay = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(hostile))
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Somebody")
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    orderdesk.create(tmp_path / "again")
    monkeypatch.undo()
    assert git(tmp_path / "again", "log", "--format=%H") == git(repository, "log", "--format=%H")


def test_an_altered_patch_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series = tmp_path / "series"
    shutil.copytree(orderdesk.SERIES, series)
    last = max(series.glob("*.patch"))
    last.write_text(last.read_text().replace('"1.4.1"', '"1.4.2"'))
    monkeypatch.setattr(orderdesk, "SERIES", series)
    with pytest.raises(orderdesk.SeriesError, match=r"for v1\.4\.1") as caught:
        orderdesk.create(tmp_path / "altered")
    assert "version control" in (caught.value.hint or "")
    last.write_text("nonsense")
    with pytest.raises(orderdesk.SeriesError, match="git am failed"):
        orderdesk.create(tmp_path / "broken")


def test_nothing_is_overwritten(repository: Path) -> None:
    with pytest.raises(orderdesk.FolderInUseError):
        orderdesk.create(repository)


def test_without_git_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(orderdesk.GitMissingError, match="git is not installed"):
        orderdesk.create(tmp_path / "repository")


# Its tenants


def test_tenants_ask_unevenly_and_two_hundred_times_a_second() -> None:
    assert set(TRAFFIC) == {tenant.id for tenant in DIRECTORY.tenants}
    assert sum(TRAFFIC.values()) == pytest.approx(200)
    assert max(TRAFFIC.values()) / min(TRAFFIC.values()) > 100


def test_tenants_fill_three_rings_and_two_instances_of_their_own() -> None:
    rings = Counter(tenant.ring for tenant in DIRECTORY.tenants)
    assert list(rings) == ["pilot", "early", "general"]
    assert rings.total() >= 12
    assert [tenant.ring for tenant in DIRECTORY.tenants if tenant.hosting == "dedicated"] == ["early", "general"]
    assert {tenant.calendar for tenant in DIRECTORY.tenants} == {"calendars/any-time.yaml"}
    assert len({tenant.timezone for tenant in DIRECTORY.tenants}) > 10
    assert STAGE_TENANT not in {tenant.id for tenant in DIRECTORY.tenants}


# Each version


@pytest.mark.parametrize("tag", TAGS)
def test_the_product_describes_itself(at_tag: AtTag, tag: str) -> None:
    version = at_tag(tag)
    assert [ring.name for ring in version.product.rings] == ["pilot", "early", "general"]
    assert [journey.name for journey in version.product.journeys] == ["log-in", "order", "erp-ping"]
    assert version.product.stage_tenant == STAGE_TENANT
    changes = {str(path): path.read_text() for path in (version.folder / "changes").glob("*.md")}
    flags = set(json.loads((version.folder / "flags.json").read_text())["flags"])
    for fragment in read_fragments(changes, "changes"):
        assert set(fragment.front.get("flags", ())) <= flags, fragment.id


def test_a_schema_change_is_rehearsed_from_1_2_0_on_and_contracted_from_1_4_0_on(at_tag: AtTag) -> None:
    declared = {tag: at_tag(tag).product.database for tag in TAGS}
    assert [tag for tag, found in declared.items() if found and found.rehearsal] == TAGS[2:]
    assert [tag for tag, found in declared.items() if found and found.contract] == TAGS[4:]


@pytest.mark.parametrize(("before", "tag"), list(pairwise(TAGS)))
def test_every_release_brings_a_fragment(repository: Path, before: str, tag: str) -> None:
    assert git(repository, "diff", "--name-only", "--diff-filter=A", before, tag, "--", "changes")


def test_the_pilot_flag_names_the_pilots(at_tag: AtTag) -> None:
    flag = json.loads((at_tag("v1.3.0").folder / "flags.json").read_text())["flags"]["orders-volume-prices"]
    assert flag["targeting"]["if"][0]["in"][1] == PILOTS


def test_building_twice_gives_the_same_bytes(at_tag: AtTag, repository: Path, tmp_path: Path) -> None:
    first = at_tag("v1.4.0").artifact
    again = export(repository, "v1.4.0", tmp_path).artifact
    assert first.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("tag", TAGS)
def test_expand_is_printed_offline_and_takes_nothing_away(at_tag: AtTag, tag: str) -> None:
    command = ["python", "-m", "alembic", "-c", "migrations/alembic.ini", "upgrade", "expand@head", "--sql"]
    printed = at_tag(tag).call(command)
    assert "CREATE TABLE orders" in printed.stdout, printed.stderr
    assert lint_expand(printed.stdout) == ()
    assert [(one.rule, one.line) for one in lint(printed.stdout, "expand.sql")] == []


def test_without_its_environment_it_says_what_is_missing(at_tag: AtTag) -> None:
    done = at_tag("v1.4.0").call(["python", str(at_tag("v1.4.0").artifact), "serve", "--uds", "unused"])
    assert done.returncode == 1
    assert done.stderr.strip() == "orderdesk: DATABASE_URL is not set (postgresql://USER@HOST/DATABASE)"


def test_it_serves_the_file_it_was_started_from(at_tag: AtTag, postgres: Postgres, short: Path) -> None:
    version, database = at_tag("v1.1.0"), postgres.create()
    assert version.migrate(database).returncode == 0
    with version.served(database, short) as endpoint, endpoint.client() as client:
        digest = "sha256:" + hashlib.sha256(version.artifact.read_bytes()).hexdigest()
        assert client.get("/version").json() == {"version": "1.1.0", "digest": digest}
        assert client.get("/nowhere").headers["x-orderdesk-digest"] == digest
        results = version.journeys(endpoint, "alpina")
    assert {name: result.reasons for name, result in results.items()} == {"log-in": (), "order": (), "erp-ping": ()}


@pytest.mark.slow
@pytest.mark.parametrize("tag", TAGS)
def test_its_unit_tests_pass(at_tag: AtTag, postgres: Postgres, tag: str) -> None:
    (check,) = at_tag(tag).product.checks
    done = at_tag(tag).call(check.command, postgres.create())
    assert done.returncode == 0, done.stderr


# From one version to the next


def passing(version: Version, endpoint: Endpoint, tenant: str) -> dict[str, bool]:
    return {name: result.passed for name, result in version.journeys(endpoint, tenant).items()}


@pytest.mark.slow
def test_the_version_before_runs_on_the_expanded_schema(at_tag: AtTag, postgres: Postgres, short: Path) -> None:
    before, after, database = at_tag("v1.1.0"), at_tag("v1.2.0"), postgres.create()
    assert after.migrate(database).returncode == 0
    with before.served(database, short) as old, after.served(database, short) as new:
        for version in (before, after):
            for endpoint in (old, new):
                assert all(passing(version, endpoint, STAGE_TENANT).values())


@pytest.mark.slow
def test_1_3_breaks_the_pilots_orders_and_nothing_else(at_tag: AtTag, postgres: Postgres, short: Path) -> None:
    before, broken, database = at_tag("v1.2.0"), at_tag("v1.3.0"), postgres.create()
    assert broken.migrate(database).returncode == 0
    with broken.served(database, short) as endpoint:
        assert all(passing(broken, endpoint, STAGE_TENANT).values())
        for pilot in PILOTS:
            assert passing(broken, endpoint, pilot) == {"log-in": True, "order": False, "erp-ping": True}
    with before.served(database, short) as endpoint:
        assert all(passing(broken, endpoint, PILOTS[0]).values())


@pytest.mark.slow
def test_1_3_fails_most_of_what_pilots_ask(at_tag: AtTag, postgres: Postgres, short: Path) -> None:
    before, broken, database = at_tag("v1.2.0"), at_tag("v1.3.0"), postgres.create()
    assert broken.migrate(database).returncode == 0
    with before.served(database, short) as endpoint, endpoint.client() as client:
        token = log_in(client, PILOTS[0])
        assert status(client, PILOTS[0], token, "k") == 201
    headers = {"X-Tenant": PILOTS[0], "Authorization": f"Bearer {token}"}
    with broken.served(database, short) as endpoint, endpoint.client() as client:
        assert client.get("/orders", headers=headers).status_code == 500
        assert status(client, PILOTS[0], token, "l") == 500


@pytest.mark.slow
def test_1_4_repairs_it_and_runs_on_the_contracted_schema(at_tag: AtTag, postgres: Postgres, short: Path) -> None:
    before, repaired, database = at_tag("v1.2.0"), at_tag("v1.4.0"), postgres.create()
    assert repaired.migrate(database).returncode == 0
    with repaired.served(database, short) as endpoint, before.served(database, short) as old:
        for tenant in (*PILOTS, STAGE_TENANT):
            assert all(passing(repaired, endpoint, tenant).values())
            assert all(passing(repaired, old, tenant).values())
    flags = repaired.folder / "flags.json"
    kept = flags.read_text()
    switched = json.loads(kept)
    switched["flags"]["orders-total-retired"]["defaultVariant"] = "on"
    flags.write_text(json.dumps(switched))
    try:
        assert repaired.migrate(database, "contract@head").returncode == 0
        with repaired.served(database, short) as endpoint:
            assert all(passing(repaired, endpoint, PILOTS[0]).values())
    finally:
        flags.write_text(kept)


@pytest.mark.slow
def test_expand_fails_no_request(at_tag: AtTag, postgres: Postgres, short: Path) -> None:
    before, database = at_tag("v1.1.0"), postgres.create()
    assert before.migrate(database).returncode == 0
    seen: Counter[int] = Counter()
    slowest = [0.0]
    done = threading.Event()

    def ask(endpoint: Endpoint, worker: int) -> None:
        with endpoint.client() as client:
            token = log_in(client, "alpina")
            while not done.wait(0.005):
                began = time.monotonic()
                seen[status(client, "alpina", token, f"{worker}-{seen.total()}-{began}")] += 1
                slowest[0] = max(slowest[0], time.monotonic() - began)

    with before.served(database, short) as endpoint:
        workers = [threading.Thread(target=ask, args=(endpoint, number)) for number in range(4)]
        for worker in workers:
            worker.start()
        migrated = at_tag("v1.4.0").migrate(database)
        time.sleep(0.5)
        done.set()
        for worker in workers:
            worker.join()
    assert migrated.returncode == 0, migrated.stderr
    assert set(seen) == {201}
    assert seen[201] > 100
    assert slowest[0] < 2


@pytest.mark.slow
def test_expand_gives_way_to_a_long_transaction(at_tag: AtTag, postgres: Postgres) -> None:
    database = postgres.create()
    assert at_tag("v1.1.0").migrate(database).returncode == 0
    name = urlsplit(database).path.removeprefix("/")
    with postgres.connect(name) as blocker, blocker.transaction():
        blocker.execute("SELECT count(*) FROM orders")
        given_up = at_tag("v1.2.0").migrate(database)
    assert given_up.returncode != 0
    assert "lock timeout" in given_up.stderr
    assert at_tag("v1.2.0").migrate(database).returncode == 0
