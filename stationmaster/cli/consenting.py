"""`tenants approve`, `decline` and `link`: what the people of a tenant say to a release, whose contract asks for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.blocks.consenting import TimeOverError, must_be_in_time, question
from stationmaster.blocks.consenting import answer as put_on_record
from stationmaster.cli import lookup
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.cli.person import now, whoami
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.consent_link import Link, contact_digest, token
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import InputError

if TYPE_CHECKING:
    from stationmaster.blocks.consenting import Question
    from stationmaster.ledger.store import Ledger

_LONGEST = 32 << 20  # bytes of a proof


def approve(
    tenant: str, release: str, *, by: str, proof: str, reason: str = "", product: str | None = None, json: Flag = False
) -> None:
    """Record that a tenant's contact agreed to a release, with what proves it: its contract asks for that.

    It counts for this release and its artifact alone. Until its people agree, a tenant is left out and the others go
    on. Exit code 1: nobody asks the tenant, or its time is over. Safe to repeat.

    Parameters
    ----------
    tenant
        Its id.
    release
        Its name.
    by
        Who said so: one of the contacts that the tenant's `approval` names.
    proof
        A file that shows it, such as their mail, or the words in which it was said. It is kept as evidence.
    reason
        What they said about it; it is kept in the ledger.
    product
        Whose tenant it is.
    json
        One object on standard output.
    """
    _record(_Said(tenant, release, by, proof, reason, agrees=True), product, as_json=json)


def decline(
    tenant: str, release: str, *, by: str, proof: str, reason: str = "", product: str | None = None, json: Flag = False
) -> None:
    """Record that a tenant's contact does not agree to a release. It is left out of it. Safe to repeat.

    Possible for as long as the tenant does not have the release, also when it agreed before.

    Parameters
    ----------
    tenant
        Its id.
    release
        Its name.
    by
        Who said so: one of the contacts that the tenant's `approval` names.
    proof
        A file that shows it, such as their mail, or the words in which it was said. It is kept as evidence.
    reason
        What they said about it; it is kept in the ledger.
    product
        Whose tenant it is.
    json
        One object on standard output.
    """
    _record(_Said(tenant, release, by, proof, reason, agrees=False), product, as_json=json)


def link(
    tenant: str,
    release: str,
    *,
    contact: str | None = None,
    address: str | None = None,
    product: str | None = None,
    json: Flag = False,
) -> None:
    """The signed links by which a tenant's contacts agree to a release or decline it. To send them is up to you.

    Whoever has a link may answer, until the tenant's time is over. To look at its page changes nothing.

    Parameters
    ----------
    tenant
        Its id.
    release
        Its name.
    contact
        For this contact alone.
    address
        Where customers reach the receiver, as https://releases.example; that of the stack here unless given.
    product
        Whose tenant it is.
    json
        One object on standard output.
    """
    home, at = product or only_product(), now()
    base = (address or _own_address()).rstrip("/")
    with open_ledger(home) as ledger:
        asked = _asked(ledger, home, release, tenant)
    signer, named = recall("signer", home), [asked.contact(contact)] if contact else list(asked.contacts)
    if at >= asked.standing.until:
        raise TimeOverError(f"{tenant} {asked.standing.reason}", hint="to decline is possible by record alone")
    links = []
    for one in named:
        made = Link(
            product=home, release=release, tenant=tenant, contact=contact_digest(tenant, one), digest=asked.digest,
            expires=asked.standing.until,
        )  # fmt: skip
        links.append({"contact": one, "url": f"{base}/consent/{token(signer.sign(made.statement()))}"})
    say(f"{tenant} may answer until {instant(asked.standing.until)}")
    found = {"release": release, "tenant": tenant, "until": instant(asked.standing.until), "links": links}
    answer(found, as_json=json, text="\n".join(f"{one['contact']}  {one['url']}" for one in links))


@dataclass(frozen=True)
class _Said:
    """What a person typed."""

    tenant: str
    release: str
    by: str
    proof: str
    reason: str
    agrees: bool


def _record(said: _Said, product: str | None, *, as_json: bool) -> None:
    home, at = product or only_product(), now()
    with open_ledger(home) as ledger:
        asked = _asked(ledger, home, said.release, said.tenant)
        contact = asked.contact(said.by)
        must_be_in_time(asked, agrees=said.agrees, at=at)  # before anything of theirs is kept
        kept = recall("artifacts", home).beside("evidence").keep(_proof(said.proof))
        put_on_record(
            ledger, asked, agrees=said.agrees, contact=contact, by="by record", proof=kept, at=at,
            reason=said.reason.strip(), personal={"recorded": whoami()},
        )  # fmt: skip
        stands = _asked(ledger, home, said.release, said.tenant).standing
    found = {
        "release": said.release, "tenant": said.tenant, "state": stands.state, "by": contact, "proof": kept,
        "until": instant(stands.until),
    }  # fmt: skip
    answer(found, as_json=as_json, text=f"{said.tenant} {stands.reason}\nkept as evidence: {kept}")


def _asked(ledger: "Ledger", product: str, release: str, tenant: str) -> "Question":
    lookup.find(ledger, release)
    return question(ledger, recall("tenants", product), release, tenant, now())


def _proof(given: str) -> bytes:
    """The bytes of the file of that name, else the words themselves."""
    if not given.strip():
        raise InputError("without a proof nothing is recorded", hint="--proof FILE, or the words in which it was said")
    file = Path(given).expanduser()
    try:
        if not file.is_file():
            return given.encode()
        if file.stat().st_size > _LONGEST:
            raise InputError(f"the proof is longer than {_LONGEST >> 20} MiB", file=given, hint="give the mail alone")
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"the proof cannot be read: {error.strerror}", file=given) from None


def _own_address() -> str:
    from stationmaster.deployments import descriptor  # noqa: PLC0415 - only where no address is given

    try:
        found = descriptor.load().receiver
    except InputError:
        found = None
    if found is None:
        raise InputError(
            "it is not known where customers reach the receiver", hint="--address https://releases.example"
        )
    return found
