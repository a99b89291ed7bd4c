"""The states of one tenant of a backfill, and who takes it from one to the next. All of it is this table."""

from dataclasses import dataclass
from typing import Literal, get_args

State = Literal[
    "pending",  # nobody works on it
    "running",  # a worker has its lease
    "paused",  # a person stopped it
    "failed",  # a row is in the way, or is not as it should be; the reason says which
    "done",  # every row was walked; what was left out is not as it should be
    "verified",  # and every row is as it should be
]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Edge:
    """From each of `states`, `event` leads `to`. `by` says who causes it."""

    states: tuple[State, ...]
    event: str
    to: State
    by: str


EDGES: tuple[Edge, ...] = (
    Edge(("pending", "running"), "claim", "running", "a worker; of one that is gone, or whose lease is over, another"),
    Edge(("running",), "release", "pending", "the worker: it may not go on now, or the database was away for too long"),
    Edge(("running",), "fail", "failed", "the worker: a row is poisoned, or not as `verify` says"),
    Edge(("running",), "finish", "done", "the worker, at the end of the sweep: a row that was left out is not right"),
    Edge(("running",), "prove", "verified", "the worker, at the end of the sweep"),
    Edge(("failed",), "again", "pending", "the next run: somebody may have mended the row"),
    Edge(("done", "verified"), "again", "pending", "the next run of one with `todo`: it is swept and verified anew"),
    Edge(("failed", "done", "pending", "running"), "skip", "pending", "a person, `backfill skip`"),
    Edge(("paused",), "skip", "paused", "a person, `backfill skip`"),
    Edge(("pending", "running", "failed", "paused"), "pause", "paused", "a person, `backfill pause`; a rollback"),
    Edge(("paused",), "resume", "pending", "a person, `backfill resume`"),
    Edge(
        ("running", "done", "verified"), "lose", "pending", "a version without the dual write serves the tenant again"
    ),
)
TABLE: dict[tuple[State, str], Edge] = {(state, edge.event): edge for edge in EDGES for state in edge.states}


def before(event: str) -> tuple[State, ...]:
    """The states from which an event leads somewhere."""
    return tuple(state for state in STATES if (state, event) in TABLE)
