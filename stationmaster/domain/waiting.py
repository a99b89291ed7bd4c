"""How a wait is called where people see it, and when it is looked at again though nobody says that it is over."""

from datetime import datetime, timedelta

from stationmaster.domain.errors import WaitingError

# What is awaited, to the name of the state in which a flow run shows it.
NAMES: dict[str, str] = {
    "window": "WaitingForWindow",
    "approval": "WaitingForApproval",
    "confirm_start": "WaitingForStart",
    "soak": "WaitingForSoak",
    "notice": "WaitingForNotice",
    "person": "WaitingForPerson",
    "versions": "WaitingForVersions",  # of a contract: until nobody runs what needs what it takes away
}
# The same of a train that is not cut yet, so that there is no release which could wait.
OF_TRAINS: dict[str, str] = {
    "cut_off": "WaitingForCutOff",
    "merge_back": "WaitingForMergeBack",
    "review": "WaitingForReview",
    "outside": "WaitingForOutside",
}
PAUSED = "Paused"
SHOWN = frozenset({*NAMES.values(), *OF_TRAINS.values(), PAUSED})

# A calendar changes without telling us; a person's answer is told, so that a look is only for what was missed.
_CALENDAR, _PERSON = timedelta(hours=1), timedelta(hours=24)
_BY_CALENDAR = frozenset({"window", "soak", "notice", "versions", "merge_back", "review", "outside"})
_SOONEST = timedelta(seconds=30)  # an instant that has passed must not become a run that starts again and again


def shown_as(wait: WaitingError) -> str:
    """The name of the state in which the wait ends a leg and an act."""
    return PAUSED if wait.code == "release_paused" else NAMES.get(wait.waiting_for, NAMES["person"])


def look_again(awaited: str, until: datetime | None, since: datetime) -> datetime:
    """When something that is awaited `since` then is looked at without an event. `awaited`: a key or value of NAMES or
    OF_TRAINS.
    """
    names = {**NAMES, **OF_TRAINS}
    calendar = awaited in _BY_CALENDAR or awaited in {names[one] for one in _BY_CALENDAR}
    return max(until or since + (_CALENDAR if calendar else _PERSON), since + _SOONEST)
