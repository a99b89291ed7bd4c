"""The support brief: what comes, for whom and when, told to support before the first production wave."""

from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.brief import Brief, brief, flag_states
from stationmaster.domain.fragments import Fragment, read_fragments
from stationmaster.domain.plan import Plan
from stationmaster.tasks import act


@act("require fragment", timeout=120)
def require_fragment(leg: Leg, cut: Cut) -> None:
    """Refuse a release of which nobody wrote down what it changes."""
    _fragments(leg, cut)


@act("brief", timeout=300)
def send_brief(leg: Leg, cut: Cut, artifact: Artifact, plan: Plan) -> None:
    """One message per release, what overflows in its thread; each is found again by its key if an answer was lost."""
    inputs = {"digest": artifact.digest}
    if leg.recorded("briefed", inputs):
        return
    made, chat = _brief(leg, cut, artifact, plan), leg.tools.chat
    sent = chat.post(f"{leg.release}/brief", made.text, made.blocks)
    for number, blocks in enumerate(made.thread):
        chat.post(f"{leg.release}/brief/{number}", made.text, blocks, thread=sent)
    leg.record("briefed", inputs, {"channel": chat.channel, "ts": sent})


def _brief(leg: Leg, cut: Cut, artifact: Artifact, plan: Plan) -> Brief:
    approved = leg.tools.ledger.recorded(leg.release, "approved", leg.release, {"digest": artifact.digest})
    people = (leg.tools.ledger.personal(approved) or {}).get("who", []) if approved else []
    flags = cut.product.flags and leg.tools.source.read(cut.commit.commit, cut.product.flags)
    return brief(
        cut, artifact, plan,
        fragments=_fragments(leg, cut), approved_by=people, flags=flag_states(flags) if flags else None,
    )  # fmt: skip


def _fragments(leg: Leg, cut: Cut) -> tuple[Fragment, ...]:
    """Nothing to tell where nothing changed: the commit runs everywhere, or only goes to tenants that are new."""
    if cut.previous and not cut.changes:
        return ()
    texts = {path: leg.tools.source.read(cut.commit.commit, path) for path in cut.fragments}
    return read_fragments(texts, cut.product.changes)
