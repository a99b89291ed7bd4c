"""The end of a release's evidence: what belongs to it is listed, and the log that holds it is signed and published."""

from stationmaster.blocks.checkpoint_places import Shelf
from stationmaster.blocks.checkpoints import publish, shelf
from stationmaster.blocks.leg import Leg
from stationmaster.domain.entries import LOG, Draft, Entry
from stationmaster.domain.stages import CLOSED, fold
from stationmaster.tasks import act


@act("seal", timeout=300, even_paused=True)
def seal(leg: Leg) -> None:
    """List every entry of a release that is over, then publish a checkpoint of the log, so that nothing of it can be
    taken out or changed later without being seen. Whatever comes later is listed anew, also what somebody wrote while
    it was listed.
    """
    ledger, product, evidence = leg.tools.ledger, leg.request.product, leg.tools.evidence
    closed, before = _listed(leg), None
    while closed != before:
        closed, before = _listed(leg), closed
    if closed is None:
        return
    last = ledger.latest({"checkpointed"}).get(product)
    if last and last.fact["size"] > closed.index:
        return
    done = publish(ledger, leg.tools.signer, product, [Shelf(shelf(evidence, product))])
    root = f"sha256:{done.checkpoint.root.hex()}"
    fact = {"size": done.checkpoint.size, "root": root, "places": ["store"], "note": done.text}
    draft = Draft(release=LOG, step="checkpointed", subject=product, inputs={"size": fact["size"]}, fact=fact)
    ledger.append(draft, leg.tools.now(), leg.lease)


def _listed(leg: Leg) -> Entry | None:
    """The list of all entries before the ledger had `size`; the same list again is the same entry."""
    size = leg.tools.ledger.size()
    entries = [entry for entry in leg.tools.ledger.entries(leg.release) if entry.index < size]
    if (stage := fold(entries)) not in CLOSED:
        return None
    inputs = {"state": stage, "leaves": [entry.index for entry in entries if entry.step != "closed"]}
    return leg.record("closed", inputs, {**inputs, "size": size})
