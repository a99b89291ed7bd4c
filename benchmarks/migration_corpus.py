"""How much of other people's histories can be read without a database: every revision of pinned releases from PyPI.

`python -m benchmarks migration-corpus` downloads each release by name and digest from the index that pip is set to, and
installs beside it what its revisions import (`benchmarks/corpus/`): ten minutes the first time, then kept in `build/`.
No source of theirs is kept in this repository. No database is started; there is nothing to connect to.
"""

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from stationmaster.blocks.migration_folder import revisions_at
from stationmaster.blocks.migration_recordings import recorded
from stationmaster.domain.migration_revisions import Judged, judge

ROOT = Path(__file__).parent.parent
PLACE = ROOT / "build" / "migration-corpus"
LIMIT = 0.94


@dataclass(frozen=True)
class Product:
    """One release: what pip is asked for, and where the revisions lie in it."""

    name: str
    release: str
    sha256: str
    migrations: str
    source: bool = False


PRODUCTS = (
    Product(
        "airflow", "apache-airflow==2.10.5", "4c6d19159bcd85f496fbea70db72ef55d32335f80e4ffb82ae3c252782079ca0",
        "airflow/migrations",
    ),
    Product(
        "superset", "apache-superset==4.1.2", "197bcb2ff79de2a079a52be600e6a16e35d6e2ce69472d411d1d4460a7945360",
        "apache-superset-4.1.2/superset/migrations", source=True,
    ),
    Product(
        "mlflow", "mlflow==2.22.0", "3ada72e39bd7b381c360aa9baddeb701d41f0b83b5889ddab7fdc6d7a5bc9b52",
        "mlflow/store/db_migrations",
    ),
)  # fmt: skip


def main() -> dict[str, Any]:
    figures: dict[str, Any] = {product.name: _measured(product) for product in PRODUCTS}
    revisions = sum(one["revisions"] for one in figures.values())
    rendered = sum(one["rendered"] for one in figures.values())
    for name, one in figures.items():
        print(f"{name}: {one['rendered']} of {one['revisions']} rendered, {one['share']:.1%}")
    return {
        "revisions": revisions,
        "rendered": rendered,
        "share": round(rendered / revisions, 4),
        "limit": LIMIT,
    } | figures


def _measured(product: Product) -> dict[str, Any]:
    folder = revisions_at(_unpacked(product) / product.migrations)
    python = _python(product)
    began = perf_counter()
    judged = judge(recorded(folder, python=python, timeout=900))
    seconds = perf_counter() - began
    unseen = [_named(one, folder.scripts) for one in judged if one.revision.unrenderable]
    rules = Counter(finding.rule for one in judged for finding in one.findings)
    return {
        "release": product.release, "revisions": len(judged), "rendered": len(judged) - len(unseen),
        "share": round(1 - len(unseen) / len(judged), 4), "seconds": round(seconds, 1),
        "twice": sum(len(one.revision.runs) > 1 for one in judged),
        "phases": dict(sorted(Counter(one.phase.name for one in judged).items())),
        "rules": dict(rules.most_common()), "unrenderable": unseen,
    }  # fmt: skip


def _named(judged: Judged, scripts: Path) -> dict[str, Any]:
    fault = judged.revision.unrenderable
    file = (Path.cwd() / judged.revision.file).relative_to(scripts).as_posix()
    assert fault is not None  # noqa: S101 - it is one of those
    return {
        "revision": judged.revision.name.rpartition("/")[2],
        "file": file,
        "line": fault.line,
        "reason": _short(fault.reason),
    }


def _short(reason: str) -> str:
    """Without the lists and addresses that libraries add."""
    first = (
        reason.partition(" (Background")[0]
        .partition(" [SQL")[0]
        .partition(" This typically")[0]
        .partition(" See http")[0]
    )
    return re.sub(r"<[^<>]* object>, ", "", first)[:200]


def _unpacked(product: Product) -> Path:
    place = PLACE / product.name / "unpacked"
    if not place.exists():
        file = _downloaded(product)
        if product.source:
            with tarfile.open(file) as archive:
                archive.extractall(place, filter="data")
        else:
            zipfile.ZipFile(file).extractall(place)  # noqa: S202 - its digest is ours
    return place


def _downloaded(product: Product) -> Path:
    """The file, whose digest pip has compared."""
    place = PLACE / product.name / "release"
    place.mkdir(parents=True, exist_ok=True)
    wanted = place / "wanted.txt"
    wanted.write_text(f"{product.release} --hash=sha256:{product.sha256}\n")
    kind = "--no-binary" if product.source else "--only-binary"
    _pip(
        Path(sys.executable),
        "download",
        "--no-deps",
        kind,
        ":all:",
        "--require-hashes",
        "-r",
        str(wanted),
        "-d",
        str(place),
    )
    (file,) = [one for one in place.iterdir() if one != wanted]
    return file


def _python(product: Product) -> Path:
    """An environment with what a plain install of the release brings."""
    place = PLACE / product.name / "environment"
    python, done = place / "bin" / "python", place / "installed"
    if not done.exists():
        venv.create(place, with_pip=True, clear=True)
        _pip(python, "install", "--no-deps", "-r", str(ROOT / "benchmarks" / "corpus" / f"{product.name}.txt"))
        done.touch()
    return python


def _pip(python: Path, *command: str) -> None:
    subprocess.run((str(python), "-m", "pip", "-q", "--disable-pip-version-check", *command), check=True)
