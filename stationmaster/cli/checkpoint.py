"""`checkpoint`: sign the ledger's size and root as they are now, and publish them where others keep them."""

from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.errors import Exit

if TYPE_CHECKING:
    from stationmaster.blocks.checkpoint_places import Place
    from stationmaster.blocks.checkpoints import Published


def checkpoint(product: str | None = None, *, git: str | None = None, check: Flag = False, json: Flag = False) -> int:
    """Sign the ledger's size and root as they are now, and publish them in the evidence store.

    It must continue every newest checkpoint that was published before. Exit code 1: it does not; the log was rewritten,
    and nothing is published.

    Parameters
    ----------
    product
        The product, when several are known here.
    git
        A repository to which git can push; it is published there too, as refs/stationmaster/checkpoints/SIZE.
    check
        Publish nothing; read the whole ledger, compare every checkpoint that was ever published with it, and say what
        its database does not keep from being changed.
    json
        One object on standard output.
    """
    product = product or only_product()
    places = _places(product, git)
    return _check(product, places, as_json=json) if check else _publish(product, places, as_json=json)


def _places(product: str, git: str | None) -> list["Place"]:
    from stationmaster.blocks.checkpoint_places import Refs, Shelf  # noqa: PLC0415 - --help publishes nothing
    from stationmaster.blocks.checkpoints import shelf  # noqa: PLC0415

    local = git is not None and Path(git).exists()  # git is run from another folder
    evidence = recall("artifacts", product).beside("evidence")
    return [Shelf(shelf(evidence, product)), *([Refs(str(Path(git).absolute()) if local else git)] if git else [])]


def _publish(product: str, places: list["Place"], *, as_json: bool) -> int:
    from stationmaster.blocks.checkpoints import publish  # noqa: PLC0415 - as above

    with open_ledger(product) as ledger:
        published = publish(ledger, recall("signer", product), product, places)
    value = {**published.record(), "places": [place.name for place in places]}
    answer(value, as_json=as_json, text=_said(published, places))
    return Exit.YES


def _said(published: "Published", places: list["Place"]) -> str:
    before = f"continues that of {published.previous.size} entries" if published.previous else "is the first"
    said = f"it {before}, is published {' and '.join(place.name for place in places)}, and is verified with"
    return f"{published.text}\n{published.checkpoint.footer()}\n{said}\n{published.vkey}"


def _check(product: str, places: list["Place"], *, as_json: bool) -> int:
    from stationmaster.blocks.checkpoints import disagreements  # noqa: PLC0415 - as above
    from stationmaster.ledger.protection import weaknesses  # noqa: PLC0415 - as above

    with open_ledger(product) as ledger:
        flaws = [flaw.message for flaw in ledger.audit()]
        found = disagreements(ledger, recall("signer", product), product, places)
        wrong = flaws or [error.message for error in found]
        size, weak = ledger.size(), weaknesses(ledger.engine)
    said = (
        "\n".join(wrong)
        or f"each of {size} entries is as it was appended, and every published checkpoint is the beginning"
    )
    said = "\n".join([said, *(f"not protected: {one}" for one in weak)])
    answer({"ok": not wrong, "size": size, "problems": wrong, "weaknesses": weak}, as_json=as_json, text=said)
    return Exit.NO if wrong else Exit.YES
