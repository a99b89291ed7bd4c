"""What support is told: the brief before the first production wave, how far it is since then, and each rollback.

Once a release is under way a chat that is away stops nothing: it is logged, and the next update says everything.
"""

import logging
from collections.abc import Callable

from stationmaster.blocks.approval import mandate_of
from stationmaster.blocks.carried import fragments_of, recalled
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.migration_estimates import outlook
from stationmaster.blocks.modes import announced
from stationmaster.blocks.owing import said
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.brief import Brief, brief, flag_states
from stationmaster.domain.errors import InputError, OutsideError
from stationmaster.domain.fragments import Fragment
from stationmaster.domain.plan import Plan
from stationmaster.domain.progress import Standing, standing
from stationmaster.domain.rollback_notice import rollback_notice
from stationmaster.domain.story import sentence
from stationmaster.ledger.faults import LedgerUnreachableError
from stationmaster.tasks import act

_log = logging.getLogger("stationmaster.brief")
_PAUSES = (2.0, 8.0, 20.0)  # seconds between tries to tell of a rollback, which nothing later repeats


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


@act("update brief", timeout=600, shown="update brief {where}", even_paused=True)
def update_brief(leg: Leg, where: str) -> None:
    """The brief, edited to say how far the ledger says the release is. `where` is the ring whose wave begins or ended,
    or the release itself; each place is told once, and again when it changed.
    """
    _patiently(leg, lambda: _update(leg, where), ())


@act("tell rollback", timeout=600, even_paused=True)
def tell_rollback(leg: Leg) -> None:
    """One message of its own about the rollback that ended last; it is found again by its key."""
    _patiently(leg, lambda: _tell(leg), _PAUSES)


def _update(leg: Leg, where: str) -> None:
    entries = leg.tools.ledger.entries(leg.release)
    facts = {entry.step: entry.fact for entry in entries}
    if "briefed" not in facts:
        return
    plan, artifact = Plan.from_fact(facts["planned"]), Artifact(**{n: facts["built"][n] for n in ("digest", "size")})
    now = standing(plan, entries, begins=where)
    inputs = {"digest": artifact.digest, "standing": now.waves.get(where) or now.fact()}
    if leg.tools.ledger.recorded(leg.release, "told", where, inputs):
        return
    made = _brief(leg, recalled(leg.tools.source, leg.release, facts["cut"]), artifact, plan, now)
    chat, sent = leg.tools.chat, facts["briefed"]["ts"]
    chat.update(sent, f"{leg.release}/brief", made.text, made.blocks)
    for number, blocks in enumerate(made.thread):  # what overflows may overflow elsewhere now
        key = f"{leg.release}/brief/{number}"
        chat.update(chat.post(key, made.text, blocks, thread=sent), key, made.text, blocks)
    leg.record("told", inputs, {"progress": now.waves.get(where, now.whole)}, subject=where)


def _tell(leg: Leg) -> None:
    entries = leg.tools.ledger.entries(leg.release)
    ordered = next((entry for entry in reversed(entries) if entry.step == "rollback"), None)
    personal = leg.tools.ledger.personal(ordered) if ordered else None
    notice = rollback_notice(entries, (personal or {}).get("who"))
    if notice:
        leg.tools.chat.post(f"{leg.release}/rollback/{notice.number}", notice.text, notice.blocks)


def _patiently(leg: Leg, tell: Callable[[], None], pauses: tuple[float, ...]) -> None:
    """Tell, again after each pause; what cannot be told is logged and stops nobody."""
    for pause in (*pauses, None):
        try:
            return tell()
        except LedgerUnreachableError:
            raise  # without the ledger nothing goes on anyway: the act is tried again
        except (OutsideError, InputError) as error:
            if pause is None:
                _log.warning("%s: %s", leg.release, error.message)
            else:
                leg.tools.sleep(pause)
    return None


def _brief(leg: Leg, cut: Cut, artifact: Artifact, plan: Plan, now: Standing | None = None) -> Brief:
    flags = cut.product.flags and leg.tools.source.read(cut.commit.commit, cut.product.flags)
    return brief(
        cut, artifact, plan,
        fragments=_fragments(leg, cut), approved_by=_approvers(leg), flags=flag_states(flags) if flags else None,
        standing=now, passed=_passed(leg), owed=said(leg.tools, cut.product),
        limits=[str(one) for one in announced(leg.tools.ledger, leg.release)],
        schema=outlook(leg.tools.ledger, leg.release),
    )  # fmt: skip


def _approvers(leg: Leg) -> list[str]:
    """Who approved what the release may do now; nobody when their names were erased."""
    ledger = leg.tools.ledger
    mandate = mandate_of(ledger, leg.release).digest
    approved = ledger.recorded(leg.release, "approved", leg.release, {"mandate": mandate})
    return list((ledger.personal(approved) or {}).get("who", [])) if approved else []


def _passed(leg: Leg) -> list[str]:
    """What was frozen and is reached all the same, and whose waivers let it."""
    ledger = leg.tools.ledger
    entries = [entry for entry in ledger.entries(leg.release) if entry.step == "passed"]
    given = [(entry, (ledger.personal(entry) or {}).get("who", [])) for entry in entries]
    return [
        f"{sentence(entry)}, given by {' and '.join(who) or 'people whose names were erased'}" for entry, who in given
    ]


def _fragments(leg: Leg, cut: Cut) -> tuple[Fragment, ...]:
    return fragments_of(leg.tools.source, cut)
