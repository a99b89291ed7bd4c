"""`evidence population|show|cmdb`: questions that the ledger answers alone. They change and send nothing."""

import json as encoder
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.cli.tools import open_ledger, recall
from stationmaster.domain.errors import Exit, InputError, RefusedError, nearest

if TYPE_CHECKING:
    from stationmaster.domain.change_record import ChangeRecord
    from stationmaster.domain.milestones import Milestone
    from stationmaster.ledger.store import Ledger


class UnknownMilestoneError(InputError):
    """The product declares no milestone of that name."""

    code = "unknown_milestone"


class NotCutError(RefusedError):
    """Nothing is known of the release's commit yet, so that no milestone is declared for it."""

    code = "not_cut"


class TwoAnswersError(InputError):
    """Two forms of an answer were asked for where there is one."""

    code = "two_answers"


def population(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    to: str,
    by_person: Flag = False,
    csv: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    product: str | None = None,
    json: Flag = False,
) -> int:
    """List every production change of a period: deployments, migrations, rollbacks, what failed or was given up,
    emergencies, waivers, changed rules; with the size and the root of the ledger that was read.

    Parameters
    ----------
    from_
        The first day, in UTC, or an instant with its zone; included.
    to
        The day or instant at which the period ends; excluded.
    by_person
        Also what each person did. Who was erased is listed as erased.
    csv
        A file to write the changes into, or - for standard output, in the place of the answer.
    product
        The changes of this product alone, from its ledger. What belongs to no known product is listed with each.
    json
        One object on standard output.
    """
    from stationmaster.cli import periods, populations  # noqa: PLC0415 - `--help` never pays for SQLAlchemy

    if csv is not None and csv != "-" and csv.startswith("-"):
        raise InputError(f"--csv {csv} is no file", hint="name a file, or - for standard output")
    if csv == "-" and json:
        raise TwoAnswersError("--csv - and --json both want standard output", hint="--csv FILE writes a file")
    period = periods.typed_period(from_, to)
    with open_ledger(product) as ledger:
        found = populations.read(ledger, period, product, people=by_person)
    if csv is not None:
        periods.write(populations.as_csv(found), csv)
    if csv == "-":
        say(populations.basis(found))
    else:
        answer(found, as_json=json, text=populations.text(found))
    return Exit.YES


def show(
    release: str,
    *,
    milestone: str | None = None,
    markdown: Flag = False,
    product: str | None = None,
    json: Flag = False,
) -> int:
    """Tell a release's story in a page: who asked, what was checked, who agreed, who had it and for how long.

    Exit code 1: the milestone that was asked for is not reached.

    Parameters
    ----------
    release
        Its name.
    milestone
        Say instead whether it reached this milestone of stationmaster.yaml, when, and by which entries.
    markdown
        The page as Markdown.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    from stationmaster.blocks.recounting import recounted  # noqa: PLC0415 - as above
    from stationmaster.domain import change_record_text  # noqa: PLC0415

    if markdown and (json or milestone is not None):
        raise TwoAnswersError("--markdown is the page, and another answer was asked for", hint="leave it out")
    with open_ledger(product) as ledger:
        record = recounted(ledger, release)
        if milestone is not None:
            return _milestone(ledger, record, milestone, json=json)
    page = change_record_text.markdown(record).rstrip() if markdown else change_record_text.text(record)
    answer(record.model_dump(mode="json"), as_json=json, text=page)
    return Exit.YES


def cmdb(
    release: str,
    *,
    format: Literal["servicenow", "csv"] = "servicenow",  # noqa: A002 - the option's name
    tenant: str | None = None,
    product: str | None = None,
    json: Flag = False,
) -> int:
    """Print a release as change request and configuration items, for somebody else to send.

    Parameters
    ----------
    release
        Its name.
    format
        servicenow: the bodies of two requests, as JSON. csv: a change request a row, of the whole and of each tenant.
    tenant
        Only what concerns this tenant; nothing in it is about another.
    product
        The product, when several are known here.
    json
        The JSON on one line.
    """
    from stationmaster.blocks.recounting import recounted  # noqa: PLC0415 - as above
    from stationmaster.domain.change_request import change_request  # noqa: PLC0415
    from stationmaster.domain.cmdb import changes_csv, configuration_items  # noqa: PLC0415

    if format == "csv" and json:
        raise TwoAnswersError("CSV is no JSON", hint="leave out --json or --format csv")
    with open_ledger(product) as ledger:
        record = recounted(ledger, release)
    if format == "csv":
        whom = [tenant] if tenant else [None, *sorted({stay.tenant for stay in record.tenants})]
        print(changes_csv(change_request(record, one) for one in whom), end="")
        return Exit.YES
    found = {
        "change_request": change_request(record, tenant),
        "configuration_items": configuration_items(record, tenant),
    }
    answer(found, as_json=json, text=encoder.dumps(found, ensure_ascii=False, indent=2))
    return Exit.YES


def _milestone(ledger: "Ledger", record: "ChangeRecord", name: str, *, json: bool) -> int:
    from stationmaster.domain.milestones import reached  # noqa: PLC0415 - as above

    found = reached(name, _declared(record, name), record.release, ledger.entries(record.release))
    where = ", ".join(f"{step} by entry {index}" for step, index in found.entries.items())
    said = f"reached {found.at}" if found.reached else f"not reached, missing: {', '.join(found.missing)}"
    text = f"{found.title} ({name}): {said}" + (f"\n  {where}" if where else "")
    answer(found.record(record.release), as_json=json, text=text)
    return Exit.YES if found.reached else Exit.NO


def _declared(record: "ChangeRecord", name: str) -> "Milestone":
    """The milestone as the release's own commit declares it."""
    from stationmaster.domain.documents import read  # noqa: PLC0415 - as above
    from stationmaster.domain.product import Product  # noqa: PLC0415

    if record.commit is None:
        raise NotCutError(f"{record.release} is not cut yet: no milestone is reached")
    source = recall("source", record.product)
    source.resolve(record.commit)
    file = source.read(record.commit, "stationmaster.yaml")
    known = read(Product, file, "stationmaster.yaml").value.milestones
    if name not in known:
        hint = nearest(name, known) or "declare it under `milestones` in stationmaster.yaml"
        raise UnknownMilestoneError(f"{record.product} declares no milestone {name!r}", hint=hint)
    return known[name]
