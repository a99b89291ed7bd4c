"""A question to approvers, and what envelopes come to for it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from stationmaster.domain.approval import Decision, Word, decide
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.question import Question

AT = datetime(2026, 6, 1, tzinfo=UTC)
DIGEST, MANDATE = f"sha256:{'a' * 64}", f"sha256:{'c' * 64}"


def question(**other: Any) -> Question:
    """Release r1, started by ana, in which nobody wrote anything."""
    plain: dict[str, Any] = {
        "release": "r1", "digest": DIGEST, "mandate": MANDATE, "ends": AT + timedelta(days=3650),
        "required": {"approver": 1}, "starter": "ana", "changes": {},
    }  # fmt: skip
    return Question(**{**plain, **other})


def decided_on(
    envelopes: Iterable[str | bytes | Mapping[str, Any]], approvers: Approvers, at: datetime = AT, **other: Any
) -> Decision:
    """All of them given at the instant at which it is decided."""
    words = [Word(envelope, at, number) for number, envelope in enumerate(envelopes)]
    return decide(question(**other), words, approvers, at)
