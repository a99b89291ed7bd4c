"""The stages of a release and the one table of edges between them: which entry leads from where to where, and who
causes it. An entry that has no edge is an error. It does not say what a stage waits for (`release.py`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from stationmaster.domain.entries import OF_NO_RELEASE, STEPS, UNDOES
from stationmaster.domain.errors import StationmasterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stationmaster.domain.entries import Entry

Stage = Literal[
    "requested",  # a person, a train or a webhook asked for it
    "cut",  # the commit is chosen
    "built",  # the one artifact is published
    "tested",  # the product's checks passed
    "staged",  # stage runs it, and the version before works on the new schema
    "planned",  # the waves are laid out
    "approved",  # the quorum is met
    "briefed",  # support knows; production is untouched until here
    "deploying",  # waves are under way
    "held",  # widening stopped; a person decides
    "rolling_back",  # its tenants go back to the version before; nothing else is done for it
    "failed",  # the leg ended with an error; nothing works on it
    "rolled_back",  # nobody is on it any more, and its changes are on hold
    "aborted",  # given up
    "released",  # every wave is through
]
STAGES: tuple[Stage, ...] = get_args(Stage)
CLOSED: frozenset[Stage] = frozenset({"aborted", "released", "rolled_back"})

# The way of a good release: each stage, and the fact that takes it there. The order is that of the flow.
WAY: tuple[tuple[Stage, str], ...] = (
    ("cut", "cut"),
    ("built", "built"),
    ("tested", "tested"),
    ("staged", "staged"),
    ("planned", "planned"),
    ("approved", "approved"),
    ("briefed", "briefed"),
    ("deploying", "deployed"),
)
WAY_STAGES: tuple[Stage, ...] = ("requested", *(stage for stage, _ in WAY))
_LEGS = WAY_STAGES  # a leg works in these
_BEGUN: tuple[Stage, ...] = ("planned", "approved", "briefed", "deploying")  # a wave may have begun under an older plan
_EVENTS = frozenset(STEPS) - OF_NO_RELEASE
_ANY_TIME = frozenset(
    {
        "confirmed",
        "approval",
        "adopted",
        "paused",
        "resumed",
        "lifted",
        "told",
        "advanced",
        "skipped",
        "unskipped",
        "merged_back",
        "waived",
        "unwaived",
        "flagged",
        "refused",
        "reviewed",
        "consented",
        "declined",
        "attested",
        "closed",
        "contract",
        "mode_off",
    }
)
_CONTRACT = {
    "waiting": "the leg, before it ends to wait for a database or an approval",
    "contract_mandated": "it is laid down what would be taken away",
    "contract_approved": "the quorum of the contract is met",
    "contracting": "before it touches a database",
    "contract_stopped": "a gate was shut after all; the database is as it was",
    "contracted": "the database has the contracted schema",
    "passed": "the database is reached though closed, by a waiver",
    "proved": "the versions that run passed in stage on that schema",
    "contract_over": "no database is left",
}
_BACKFILL = {  # of tenants that have the release, whatever others wait for; the flow needs no lease
    "backfilling": "task backfill, or the flow backfill beside it, before it touches a row",
    "backfilled": "the same, for the tenants that are verified",
}
_BACK = frozenset({"rollback", "rolled_back", "restored", "contained"})
_OF_A_LEG = frozenset({"started", "waiting", "failed"})


@dataclass(frozen=True)
class Edge:
    """From each of `stages`, `event` leads `to`: a stage, the furthest of the way to which all facts stand (`reached`),
    or where it was (`same`). `by` says who causes it.
    """

    stages: tuple[Stage, ...]
    event: str
    to: Stage | Literal["reached", "same"]
    by: str


EDGES: tuple[Edge, ...] = (
    # -- the way
    Edge(_LEGS, "started", "reached", "a person, a train or the watchdog; the leg before was killed, or waited"),
    Edge(("requested",), "cut", "cut", "task cut: the commit exists and holds what the release promises"),
    Edge(("cut",), "built", "built", "task build: published once; a killed build left nothing"),
    Edge(("built",), "tested", "tested", "task check: every declared check passed against the artifact"),
    Edge(("tested",), "expanding", "same", "task expand, before it touches stage's database"),
    Edge(("tested",), "expanded", "same", "task expand, on stage's database"),
    Edge(("tested",), "verdict", "same", "task verify, on stage"),
    Edge(_LEGS, "linked", "same", "task link_tickets: somebody asked for what the release brings"),
    Edge(_LEGS, "scanned", "same", "task scan: the artifact's parts are known, and nothing in them forbids it"),
    Edge(("tested",), "rehearsed", "same", "task rehearse: the schema change ran on a copy, and back"),
    Edge(("tested",), "staged", "staged", "task stage: the artifact runs there and the pair is proved"),
    Edge(
        ("planned", "approved", "briefed", "deploying"),
        "staged",
        "same",
        "task stage: another release reached a tenant since, and what it brought is proved too",
    ),
    Edge(("staged",), "backfilled", "same", "task try_backfills: each is through in stage"),
    Edge(("staged",), "planned", "planned", "task plan"),
    Edge(
        ("planned", "approved", "briefed", "deploying"),
        "planned",
        "reached",
        "task plan: tenants or rings changed since, and a new plan undoes the approval",
    ),
    Edge(
        ("planned", "approved", "briefed", "deploying"),
        "mandated",
        "reached",
        "task lay_down_mandate: the plan left what was signed for, or nobody signed yet; it undoes the approval",
    ),
    Edge(("planned",), "approved", "reached", "task approve: the quorum is met; of a second plan, the rest may stand"),
    Edge(("approved",), "briefed", "briefed", "task brief: before production is touched"),
    Edge(_BEGUN, "notice", "same", "task plan_modes: whose service will be limited by a schema change, and when"),
    Edge(("briefed", "deploying"), "mode_on", "same", "task expand, before it limits what a tenant is served"),
    Edge(("briefed", "deploying"), "expanding", "same", "task expand, before it touches a production database"),
    Edge(("briefed", "deploying"), "expanded", "same", "task expand, on a production database"),
    Edge(("briefed", "deploying"), "deployed", "deploying", "task deploy, tenant by tenant"),
    Edge(
        ("planned", "approved"),
        "deployed",
        "same",
        "a look at the routes: whoever moved the tenant died before it said so, and there is a new plan since",
    ),
    Edge(
        _BEGUN, "verdict", "same", "task watch, at each look worth recording; also while a new plan is to be approved"
    ),
    Edge(_BEGUN, "promoted", "same", "task promote: the ring is good, the next may follow"),
    Edge(
        ("planned", "approved", "briefed", "deploying"),
        "released",
        "released",
        "task close: no wave is left; a plan that has none needs no approval",
    ),
    *(
        Edge((*_BEGUN, "failed", "held", "released", "rolled_back"), event, "same", by)
        for event, by in _BACKFILL.items()
    ),
    # -- off the way
    Edge(_LEGS, "waiting", "same", "the leg, before it ends to wait for a window, an approval, a soak, a person"),
    Edge(_LEGS, "passed", "same", "the leg, before it touches what is closed and its approvers let it pass"),
    Edge(("failed", "held"), "passed", "same", "the same leg's next touch, before it sees that another act ended it"),
    Edge(_BEGUN, "held", "held", "task promote, on a verdict that forbids widening; the watchdog, unwatched"),
    Edge(_LEGS, "failed", "failed", "the leg, as it ends with an error"),
    Edge(("failed",), "failed", "same", "the same leg: clearing up after the error failed too"),
    Edge(("held",), "failed", "same", "the leg that held: telling people about it failed; the hold counts"),
    Edge(("failed", "held"), "deployed", "same", "task deploy of the same leg, under way when another act ended it"),
    Edge(
        ("failed", "held"),
        "expanding",
        "same",
        "the same leg's next database, before it sees that another act ended it",
    ),
    Edge(("failed", "held"), "mode_on", "same", "the same, before it limits what the database's tenants are served"),
    Edge(("failed", "held"), "expanded", "same", "task expand of the same leg, under way when another act ended it"),
    Edge(("failed", "held"), "started", "reached", "a person, `release start`: what stands is not done again"),
    Edge((*_LEGS, "failed", "held"), "aborted", "aborted", "a person, `release abort`"),
    # -- back
    Edge(
        (*_LEGS, "failed", "held", "released"),
        "rollback",
        "rolling_back",
        "task route_back, on a breach; a person, `release rollback`",
    ),
    Edge(("rolling_back",), "rollback", "same", "a person, to a wider scope; the flow that carries it out"),
    Edge(("rolling_back",), "rolled_back", "same", "task route_back, tenant by tenant"),
    Edge(("rolling_back",), "restored", "rolled_back", "task confirm_back: nobody is on it any more"),
    Edge(("rolling_back",), "contained", "held", "task confirm_back: the scope is back, others keep the release"),
    *(
        Edge(("rolling_back",), event, "same", "the leg of the rollback; it goes on with the next start")
        for event in sorted(_OF_A_LEG)
    ),
    Edge(("rolling_back",), "aborted", "aborted", "a person; the rollback under way runs to its end all the same"),
    *(
        Edge(("aborted",), event, "same", "task route_back and its flow: what was given up leaves production")
        for event in sorted(_BACK)
    ),
    Edge(
        ("released",), "deployed", "same", "a person, `release rollback`: who has it by another's rollback is recorded"
    ),
    Edge(("held",), "rolled_back", "same", "task route_back, of a wider order that came as a narrower one ended"),
    Edge(("held",), "contained", "same", "task end_rollback, of the same"),
    Edge(("held",), "restored", "rolled_back", "task end_rollback, of the same: nobody is on it any more"),
    Edge(("rolling_back",), "lifted", "held", "a person, `release resume`: the way back is blocked, and given up"),
    # -- after the end: its contract, under the same lease as a way back, so that neither meets the other
    *(Edge(("released",), event, "same", f"flow contract: {by}") for event, by in _CONTRACT.items()),
    # -- what may come at any time
    Edge(STAGES, "contract", "same", "a person, `release contract`; it begins when the release is over"),
    Edge(STAGES, "confirmed", "same", "a person, `release start`; the flow of a train"),
    Edge(STAGES, "approval", "same", "a person, `approve`; whether it counts is decided by task approve"),
    Edge(STAGES, "flagged", "same", "task publish_flags, and of a rollback send_flags_back"),
    Edge(STAGES, "refused", "same", "task approve, or the command: an approval that does not count, and by which rule"),
    Edge(STAGES, "reviewed", "same", "a person, `approvals review`: the emergency was looked at"),
    Edge(STAGES, "consented", "same", "a tenant's contact by link, or customer success with proof"),
    Edge(STAGES, "declined", "same", "a tenant's contact by link, or customer success with proof"),
    Edge(STAGES, "attested", "same", "task attest: what was found is signed by our own key"),
    Edge(STAGES, "mode_off", "same", "task expand as it ends; the next leg, the watchdog or a person, if that died"),
    Edge(STAGES, "closed", "same", "task seal, after the end"),
    Edge(STAGES, "adopted", "same", "a look at what a tenant runs; says nothing about the release"),
    Edge(STAGES, "paused", "same", "a person, `release pause`; no act begins until resumed"),
    Edge(STAGES, "resumed", "same", "a person, `release resume`"),
    Edge(
        tuple(stage for stage in STAGES if stage != "rolling_back"),
        "lifted",
        "same",
        "a person, `release resume`: its changes may be released again",
    ),
    Edge(STAGES, "advanced", "same", "a person, `release advance`; counts for what the ring has then"),
    Edge(STAGES, "skipped", "same", "a person, `release skip`; the next leg plans without the tenant"),
    Edge(STAGES, "unskipped", "same", "a person, `release skip --undo`"),
    Edge(STAGES, "merged_back", "same", "the flow merge-back-check; a person, `release merged-back`"),
    Edge(STAGES, "waived", "same", "an approver, `release waive`; whether it counts is decided at the gate"),
    Edge(STAGES, "unwaived", "same", "a person, `release unwaive`"),
    Edge(STAGES, "told", "same", "task update_brief: people read how far it is"),
    # -- what comes late: the record is kept and changes nothing
    *(
        Edge(("aborted",), event, "same", "the leg that was under way at the abort; it sees it and ends")
        for event in sorted(_EVENTS - _ANY_TIME - _BACK - {"aborted"})
    ),
    *(
        Edge(("rolling_back",), event, "same", "the leg that was under way at the decision; it sees it and ends")
        for event in sorted(_EVENTS - _ANY_TIME - _BACK - _OF_A_LEG - {"aborted"})
    ),
    Edge(("aborted", "released", "rolled_back"), "aborted", "same", "a person, a moment too late"),
    Edge(("released", "rolled_back"), "started", "same", "a second start that raced with the end; nothing is to do"),
    Edge(("released", "rolled_back"), "failed", "same", "the leg, clearing up after the end"),
    Edge(("rolled_back",), "rollback", "same", "a person, a moment too late; a rollback is never rolled back"),
    Edge(("rolled_back",), "restored", "same", "the rollback that came too late; it finds nothing to do"),
)
TABLE: dict[tuple[Stage, str], Edge] = {(stage, edge.event): edge for edge in EDGES for stage in edge.stages}


class UnfitEntryError(StationmasterError):
    """The ledger holds an entry for which the stage has no edge: an error of ours, never of the person's."""

    code = "unfit_entry"

    def __init__(self, stage: Stage, event: str, index: int | None = None) -> None:
        super().__init__(
            f"entry {index}: {event!r} cannot follow when a release is {stage}"
            if index is not None
            else f"{event!r} cannot follow when a release is {stage}",
            hint="please report this with the output of `stationmaster release status`",
        )
        self.stage = stage
        self.event = event


def transition(stage: Stage, event: str, reached: Stage) -> Stage:
    """The stage after an entry. `reached` is what the facts say, this entry's included: an edge of the way leads at
    least there, since what a leg that was cut short recorded late is not recorded again.
    """
    edge = TABLE.get((stage, event))
    if edge is None:
        raise UnfitEntryError(stage, event)
    if edge.to == "same":
        return stage
    if edge.to == "reached":
        return reached
    return max(edge.to, reached, key=WAY_STAGES.index) if {edge.to, reached} <= set(WAY_STAGES) else edge.to


def furthest(facts: "Mapping[str, object]") -> Stage:
    """The last stage of the way such that the fact of every stage up to it stands. `facts`: step to the subjects
    about which it stands.
    """
    reached: Stage = "requested"
    for stage, step in WAY:
        if not facts.get(step):
            return reached
        reached = stage
    return reached


def has_reached(entries: "Iterable[Entry]", stage: Stage) -> bool:
    """Whether the facts of every stage of the way up to this one stand now. A gate that was passed once and undone
    since is not passed.
    """
    facts: dict[str, set[str]] = {}
    for entry in entries:
        _learn(facts, entry)
    return WAY_STAGES.index(furthest(facts)) >= WAY_STAGES.index(stage)


def _learn(facts: dict[str, set[str]], entry: "Entry") -> None:
    for undone in UNDOES.get(entry.step, ()):
        facts.get(undone, set()).discard(entry.subject)
    facts.setdefault(entry.step, set()).add(entry.subject)


def fold(entries: "Iterable[Entry]") -> Stage:
    """The stage after all entries of one release, in order. One pass."""
    stage: Stage = "requested"
    for stage in stages_after(entries):  # noqa: B007 - the last is what is wanted
        pass
    return stage


def stages_after(entries: "Iterable[Entry]") -> "Iterator[Stage]":
    """The stage after each entry of one release, in order."""
    stage: Stage = "requested"
    facts: dict[str, set[str]] = {}
    for entry in entries:
        _learn(facts, entry)
        try:
            stage = transition(stage, entry.step, furthest(facts))
        except UnfitEntryError as error:
            raise UnfitEntryError(stage, entry.step, entry.index) from error
        yield stage
