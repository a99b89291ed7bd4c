"""Which files of the evidence store the entries of a release tell of, and what they are called in a bundle.

One table says where a fact holds a digest and what that is. A digest that no row names is taken along as well when the
store has it, under a plain name, so that what is kept is never left out because nobody thought of it here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from stationmaster.domain.entries import Entry

Kind = Literal["log", "report", "sbom", "scan", "schema", "attestation", "proof", "other"]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_UNFIT = re.compile(r"[^a-z0-9.-]+")
_LONGEST = 60  # characters of a part of a name

SBOM = "sbom.cdx.json"


@dataclass(frozen=True)
class Row:
    """In the facts of a step, the digest at a path (`*` is any place of a list or key) is a file of this kind. `name`
    may have {index}, {subject}, and {name}: that of the object in which the digest stands. It is none where the fact
    says something else than `only`.
    """

    step: str
    path: str
    kind: Kind
    name: str
    only: tuple[str, str] | None = None

    def fits(self, path: tuple[str, ...], fact: Mapping[str, Any]) -> bool:
        """Whether the digest at a path of a fact is one."""
        wanted = self.path.split(".")
        same = len(wanted) == len(path) and all(one in {"*", part} for one, part in zip(wanted, path, strict=True))
        return same and (self.only is None or fact.get(self.only[0]) == self.only[1])


_BY_RECORD = ("by", "by record")  # an answer by link has the digest of the link, which is never kept


ROWS: tuple[Row, ...] = (
    Row("built", "log", "log", "logs/{index}-build.log"),
    Row("tested", "checks.*.log", "log", "logs/{index}-test-{name}.log"),
    Row("tested", "checks.*.report", "report", "reports/{index}-{name}.junit.xml"),
    Row("tested", "checks.*.coverage.report", "report", "reports/{index}-{name}.coverage.xml"),
    Row("rehearsed", "report", "report", "reports/{index}-rehearsal.json"),
    Row("expanded", "log", "log", "logs/{index}-migrate-{subject}.log"),
    Row("expanded", "ran", "schema", "migrations/{index}-{subject}.json"),
    Row("expanded", "sql", "schema", "migrations/{index}-{subject}.sql"),
    Row("expanding", "sql", "schema", "migrations/{index}-{subject}.sql"),
    Row("contracted", "log", "log", "logs/{index}-contract-{subject}.log"),
    Row("contracted", "sql", "schema", "migrations/{index}-contract-{subject}.sql"),
    Row("contracting", "sql", "schema", "migrations/{index}-contract-{subject}.sql"),
    Row("deployed", "log", "log", "logs/{index}-deploy-{subject}.log"),
    Row("rolled_back", "log", "log", "logs/{index}-roll-back-{subject}.log"),
    Row("scanned", "sbom.digest", "sbom", "scans/{index}-sbom.cdx.json"),
    Row("scanned", "vulnerabilities.digest", "scan", "scans/{index}-vulnerabilities.json"),
    Row("scanned", "secrets.digest", "scan", "scans/{index}-secrets.json"),
    Row("attested", "envelope", "attestation", "attestations/{index}-{subject}.intoto.jsonl"),
    Row("consented", "proof", "proof", "consents/{index}-{subject}", _BY_RECORD),
    Row("declined", "proof", "proof", "consents/{index}-{subject}", _BY_RECORD),
)
# Digests of what is no evidence but its subject: the artifact, a mandate, a plan. They are told, and not looked for.
SUBJECTS = frozenset({"digest", "artifact", "mandate", "policy", "proof", "root", "calendars", "places"})


@dataclass(frozen=True)
class Kept:
    """A file that an entry tells of. One of kind `other` may be none."""

    entry: int
    what: str
    kind: Kind
    name: str
    digest: str


def kept(entries: Iterable[Entry]) -> tuple[Kept, ...]:
    """Every file that they tell of, in order. The newest bill of materials is called as the world calls it."""
    found = [one for entry in entries for one in _of(entry)]
    newest = max((one.entry for one in found if one.kind == "sbom"), default=None)
    called = [replace(one, name=SBOM) if one.kind == "sbom" and one.entry == newest else one for one in found]
    return tuple(_apart(called))


def never_recorded(entries: Iterable[Entry]) -> Iterator[tuple[int, str]]:
    """What one would look for and what no entry tells of: the SQL of migrations. Each with its entry."""
    for entry in entries:
        changed = entry.step == "expanded" and entry.fact.get("before") != entry.fact.get("after")
        if changed and "sql" not in entry.fact:
            yield entry.index, "sql"


def _apart(found: Iterable[Kept]) -> Iterator[Kept]:
    """Names that would be the same although the files are not get a number."""
    taken: dict[str, str] = {}
    for one in found:
        name, number = one.name, 2
        while taken.setdefault(name, one.digest) != one.digest:
            stem, dot, rest = one.name.partition(".")
            name, number = f"{stem}-{number}{dot}{rest}", number + 1
        yield replace(one, name=name)


def _of(entry: Entry) -> Iterator[Kept]:
    rows = [row for row in ROWS if row.step == entry.step]
    for path, digest, around in _digests(entry.fact):
        row = next((row for row in rows if row.fits(path, entry.fact)), None)
        if row is not None:
            named = {"index": entry.index, "subject": _plain(entry.subject), "name": _plain(around)}
            yield Kept(entry.index, ".".join(path), row.kind, row.name.format(**named), digest)
        elif not SUBJECTS & set(path):
            yield Kept(entry.index, ".".join(path), "other", f"other/{entry.index}-{_plain('-'.join(path))}", digest)


def _digests(value: Any, path: tuple[str, ...] = (), around: str = "") -> Iterator[tuple[tuple[str, ...], str, str]]:  # noqa: ANN401 JSON
    """Each digest in a fact: its path, itself, and the `name` of the object around it."""
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        yield path, value, around
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _digests(inner, (*path, key), str(value.get("name", around)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _digests(inner, (*path, str(number)), around)


def _plain(word: str) -> str:
    """A word as part of a file's name. Two words may become one: the index before it keeps them apart."""
    return _UNFIT.sub("-", word.lower()).strip("-.")[:_LONGEST] or "unnamed"
