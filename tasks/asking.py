"""People are asked in the channel for what a release waits for from them. A chat that is away stops nothing: whoever
may approve can do so without being asked.
"""

import logging

from stationmaster.blocks.approval import asked, asked_for, mandate_of
from stationmaster.blocks.approving import desk_of
from stationmaster.blocks.confirmation import confirmation
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.migration_estimates import outlook_on
from stationmaster.blocks.modes import announced
from stationmaster.domain.artifact import Cut
from stationmaster.domain.asking import Asking, asking_approval, asking_confirmation
from stationmaster.domain.errors import InputError, OutsideError
from stationmaster.domain.question import Question
from stationmaster.tasks import act

_log = logging.getLogger("stationmaster.asking")


@act("ask for approval", timeout=120)
def ask_approval(leg: Leg, cut: Cut) -> None:
    """Post what is to be approved, once for each mandate; nothing when enough people approved it already."""
    desk = desk_of(leg)
    mandate = mandate_of(leg.tools.ledger, leg.release, asked_for(leg.tools.ledger, leg.release))
    question = asked(desk, cut, mandate)
    if not desk.decide(cut, question, leg.tools.now()).satisfied:
        _post(leg, asking_approval(cut, question, _schema(leg, question)))


@act("ask for confirmation", timeout=120)
def ask_confirmation(leg: Leg) -> None:
    """Post that a start waits for whoever wants it, once; nothing when somebody confirmed it."""
    if confirmation(leg.tools.ledger, leg.release) is None:
        _post(leg, asking_confirmation(leg.release, leg.request.asked()))


def _schema(leg: Leg, question: Question) -> list[str]:
    """What the schema change will take, and whom it limits."""
    limits = announced(leg.tools.ledger, leg.release) if question.act != "contract" else []
    return [*outlook_on(leg.tools.ledger, leg.release, question.act), *map(str, limits)]


def _post(leg: Leg, asking: Asking) -> None:
    """It is found again by its key, so each leg may ask."""
    try:
        leg.tools.chat.post(asking.key, asking.text, asking.blocks)
    except (OutsideError, InputError) as error:
        _log.warning("%s: %s", leg.release, error.message)
