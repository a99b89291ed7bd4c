"""`access list`: who can do what, by the rules and approvers in force, or by files. It changes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from stationmaster.cli.moments import typed_instant
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.cli.person import now
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.errors import Exit, InputError

if TYPE_CHECKING:
    from stationmaster.domain.approvers import Approvers
    from stationmaster.domain.entries import Entry
    from stationmaster.domain.policy import Rules

app = App(name="access", help="Who can do what.")


class UnreadableFileError(InputError):
    """A file that was named cannot be read."""

    code = "unreadable_file"


@app.command(name="list")
def list_(
    *,
    config: Path | None = None,
    approvers: Path | None = None,
    product: str | None = None,
    at: str | None = None,
    json: Flag = False,
) -> int:
    """Every role with who holds it and what it is asked for, people and services with their keys, and rules that
    nobody could meet. Exit code 1: there is such a rule.

    Parameters
    ----------
    config
        A stationmaster.yaml whose policy is asked about, in the place of the one in force.
    approvers
        An approvers.yaml to ask about, in the place of those in force.
    product
        The product, when several are known here.
    at
        An instant with its zone; now unless given.
    json
        One object on standard output.
    """
    from stationmaster.domain import access  # noqa: PLC0415 - `--help` pays for no model

    moment = typed_instant("--at", at) if at else now()
    rules, policy = _of_file(config) if config else _in_force(product)
    people, source = _of_people(approvers) if approvers else _known(product)
    found = access.access(rules, people, moment)
    said = f"policy: {_told(policy)}; approvers: {_told(source)}"
    answer(
        {**found.record(), "policy": policy, "approvers": source}, as_json=json, text=f"{access.text(found)}\n{said}"
    )
    return Exit.NO if found.impossible else Exit.YES


def _in_force(product: str | None) -> "tuple[Rules, dict[str, Any]]":
    """Raises NothingRatifiedError."""
    from stationmaster.blocks.ratification import ratified, rules_in_force  # noqa: PLC0415 - as above

    name = product or only_product()
    with open_ledger(name) as ledger:
        return rules_in_force(ledger, name), _entry(ratified(ledger, name, "policy"))


def _known(product: str | None) -> "tuple[Approvers, dict[str, Any]]":
    from stationmaster.blocks.ratification import approvers_of, ratified  # noqa: PLC0415 - as above

    name = product or only_product()
    signer = recall("signer", name)
    with open_ledger(name) as ledger:
        found = ratified(ledger, name, "approvers")
        return approvers_of(ledger, signer, name), _entry(found) if found else {"file": signer.approvers}


def _of_file(config: Path) -> "tuple[Rules, dict[str, Any]]":
    from stationmaster.domain.documents import read  # noqa: PLC0415 - as above
    from stationmaster.domain.product import Product  # noqa: PLC0415

    return read(Product, _text(config), str(config)).value.rules, {"file": str(config)}


def _of_people(approvers: Path) -> "tuple[Approvers, dict[str, Any]]":
    from stationmaster.domain.approvers import Approvers  # noqa: PLC0415 - as above
    from stationmaster.domain.documents import read  # noqa: PLC0415

    return read(Approvers, _text(approvers), str(approvers)).value, {"file": str(approvers)}


def _entry(found: "Entry | None") -> dict[str, Any]:
    return {"entry": found.index, "digest": found.fact["digest"], "since": found.at} if found else {}


def _told(source: dict[str, Any]) -> str:
    return source.get("file") or f"in force since {source['since']} by entry {source['entry']}"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"it cannot be read: {error}", file=str(file)) from None
