"""What `tenants lint` looks at: a file, or the product's own directory; beside it the product's configuration and what
its tenants run, where they are known here.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stationmaster.blocks.calendars import leads_out, read_file
from stationmaster.cli.person import now
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.calendar_lint import lint as lint_calendar
from stationmaster.domain.documents import Document, DocumentError, read
from stationmaster.domain.errors import InputError, StationmasterError
from stationmaster.domain.product import Product
from stationmaster.domain.tenant_lint import Finding, empty_rings, in_order, of_error, pins, windows, wrong
from stationmaster.domain.tenants import Directory

if TYPE_CHECKING:
    from stationmaster.blocks.toolbox import TenantDirectory

_CONFIG = "stationmaster.yaml"
_SLOT = 2700  # seconds, when no configuration says how long a release takes


@dataclass
class Lint:
    """What was found so far, and what could not be looked at."""

    findings: list[Finding] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    tenants: int = 0

    def record(self) -> dict[str, Any]:
        """For a program."""
        return {
            "findings": [one.record() for one in in_order(self.findings)],
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "unknown": self.unknown,
            "tenants": self.tenants,
        }

    @property
    def text(self) -> str:
        """For a person."""
        lines = [*map(str, in_order(self.findings)), *(f"not looked at: {one}" for one in self.unknown)]
        counts = f"{self.tenants} tenants, errors: {self.count('error')}, warnings: {self.count('warning')}"
        return "\n".join([*lines, counts])

    def count(self, level: str) -> int:
        """How many findings of a level there are."""
        return sum(one.level == level for one in self.findings)


def of_file(file: Path, config: Path | None, product: str | None) -> Lint:
    """A YAML file. Its rings are those of `config`, or of a stationmaster.yaml beside it.

    Raises:
        InputError: it cannot be read.
    """
    from stationmaster.blocks.tenant_directory import YamlDirectory  # noqa: PLC0415 - --help needs no block

    beside = file.parent / _CONFIG
    lint = Lint()
    configured = _configured(lint, config or (beside if beside.exists() else None))
    if configured is None:
        lint.unknown.append(f"rings: there is no {_CONFIG} beside the file; name one with --config")
    source = YamlDirectory(path=str(file))
    _look(lint, source, configured, product or (configured.product if configured else None))
    return lint


def of_product(config: Path | None, product: str | None, ref: str) -> Lint:
    """The directory that the product's tenants block names. Its rings are those of `config`, or of the product's own
    stationmaster.yaml at `ref`.
    """
    name, lint = product or only_product(), Lint()
    configured = _configured(lint, config) if config else _at(lint, name, ref)
    _look(lint, recall("tenants", name), configured, name)
    return lint


def _look(lint: Lint, source: "TenantDirectory", product: Product | None, name: str | None) -> None:
    try:
        known = source.look()
    except DocumentError as error:
        lint.findings += of_error(error)
        return
    directory, lint.tenants = known.document, len(known.directory.tenants)
    if known.note:
        lint.findings.append(Finding("warning", known.note, directory.file))
    lint.findings += wrong(directory, product)
    lint.findings += empty_rings(directory, product) if product else ()
    _pinned(lint, directory, name)
    calendars, at = source.calendars_of(directory.value.tenants), now()
    lint.findings += windows(directory, calendars, at, timedelta(seconds=product.slot if product else _SLOT))
    names = {one.calendar for one in directory.value.tenants if isinstance(one.calendar, str)}
    for file in sorted(name for name in names if not leads_out(name)):
        lint.findings += _of_calendar(source.calendar_folder / file, file, at)


def _of_calendar(path: Path, name: str, at: datetime) -> list[Finding]:
    """What is wrong or suspicious in a calendar file itself. One that cannot be read is a finding about its tenants."""
    try:
        document = read_file(path, name)
    except (OSError, ValueError):
        return []
    except DocumentError as error:
        return of_error(error)
    return [Finding("warning", one.message, one.file, one.line, hint=one.hint) for one in lint_calendar(document, at)]


def _pinned(lint: Lint, directory: Document[Directory], product: str | None) -> None:
    if all(tenant.pinned is None for tenant in directory.value.tenants):
        return
    try:
        with open_ledger(product) as ledger:
            running = {tenant: str(entry.fact["version"]) for tenant, entry in ledger.running().items()}
    except StationmasterError as error:
        lint.unknown.append(f"what tenants run, and so whether pinned ones run it: {error.message}")
        return
    lint.findings += pins(directory, running)


def _configured(lint: Lint, config: Path | None) -> Product | None:
    """The configuration in a file; what is wrong in it is a finding."""
    if config is None:
        return None
    try:
        text = config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"the configuration cannot be read: {why}", file=str(config)) from None
    return _parsed(lint, text, str(config))


def _parsed(lint: Lint, text: str, file: str) -> Product | None:
    try:
        return read(Product, text, file).value
    except DocumentError as error:
        lint.findings += of_error(error)
        return None


def _at(lint: Lint, product: str, ref: str) -> Product | None:
    """The configuration at a branch, tag or commit of the product's repository."""
    try:
        source = recall("source", product)
        text = source.read(source.resolve(ref).commit, _CONFIG)
    except StationmasterError as error:
        lint.unknown.append(f"rings: {error.message}")
        return None
    return _parsed(lint, text, _CONFIG)
