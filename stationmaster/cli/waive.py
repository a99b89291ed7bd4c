"""`release waive` and `unwaive`: what its approvers let a hotfix pass. The Prefect server is not asked."""

from pathlib import Path

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.cli.tools import only_product, open_ledger
from stationmaster.domain.errors import Exit
from stationmaster.domain.freeze import in_words


def waive(
    release: str,
    *,
    reason: str,
    ticket: str,
    until: str,
    key: Path,
    env: str | None = None,
    ring: str | None = None,
    tenant: str | None = None,
    blackout: str | None = None,
    product: str | None = None,
    json: Flag = False,
) -> int:
    """Sign, with your key, that a hotfix may pass the freeze of production, or of what is named, or a blackout.

    Two people who may approve it are needed; neither may have started it or written any of it. What is frozen anew, or
    blacked out the next time, is waived anew. Where no window is open nobody passes. A wave has to end before the
    waivers of a blackout do. Exit code 1: it was recorded and does not count.

    Parameters
    ----------
    release
        The name of the hotfix's release.
    reason
        Why it cannot wait; it is signed, and kept in the ledger with your name.
    ticket
        Where others find what it is about; it is signed, and told wherever the freeze is passed.
    until
        When it ends, at most 72 h from now: an instant as 2026-11-24T06:00:00Z, or a duration as 2h.
    key
        Your private ed25519 key, PKCS#8 or OpenSSH. A passphrase is read from STATIONMASTER_KEY_PASSPHRASE.
    env
        production or stage; production unless something else is named.
    ring
        A ring of the tenant directory.
    tenant
        A tenant of the tenant directory.
    blackout
        A blackout of a calendar that the release meets, as answers print it: FILE#name.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    from stationmaster.cli import waiving  # noqa: PLC0415 - alone needs keys and git

    home = product or only_product()
    with open_ledger(home) as ledger:
        named = {"env": env, "ring": ring, "tenant": tenant, "blackout": blackout}
        scope = waiving.scope(ledger, home, named)
        found = waiving.waive(ledger, home, waiving.Wanted(release, scope, reason, ticket, until, key))
    answer(found.record(release), as_json=json, text=found.said(release))
    return Exit.YES if found.counts else Exit.NO


def unwaive(
    release: str,
    *,
    reason: str,
    env: str | None = None,
    ring: str | None = None,
    tenant: str | None = None,
    blackout: str | None = None,
    product: str | None = None,
    json: Flag = False,
) -> None:
    """Take back every waiver that was given to a release for production, or for what is named. Safe to repeat.

    A wave that is under way is watched to its end; nothing more begins.

    Parameters
    ----------
    release
        Its name.
    reason
        Why; it is kept in the ledger with your name.
    env
        production or stage; production unless something else is named.
    ring
        A ring of the tenant directory.
    tenant
        A tenant of the tenant directory.
    blackout
        A blackout of a calendar that the release meets, as answers print it: FILE#name.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    from stationmaster.cli import waiving  # noqa: PLC0415 - alone needs keys and git

    home = product or only_product()
    with open_ledger(home) as ledger:
        named = {"env": env, "ring": ring, "tenant": tenant, "blackout": blackout}
        scope = waiving.scope(ledger, home, named)
        revoked = waiving.unwaive(ledger, home, release, scope, reason)
    text = f"{revoked} {'waiver' if revoked == 1 else 'waivers'} of {release} for {in_words(scope)} revoked"
    answer({"release": release, "scope": scope, "revoked": revoked}, as_json=json, text=text)
