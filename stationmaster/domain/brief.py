"""The support brief: what comes, for whom and when, how it was approved, what to watch and whom to call.

It is for our own people, so a fragment's internal section is part of it; a rendering for customers never takes text
from here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.block_kit import Block, context, divider, escaped, fields, header, messages, mrkdwn, sections
from stationmaster.domain.fragments import KINDS, Fragment
from stationmaster.domain.plan import Plan, Wave
from stationmaster.domain.progress import Progress, Standing

_MARKS: dict[Progress, str] = {"planned": "○", "now": "▶", "done": "✓", "held": "‖", "rolled back": "↩"}
_NAMED = 20  # tenants of a wave that are named in the head message; the thread names all


@dataclass(frozen=True, slots=True)
class Brief:
    """The message, and what did not fit into it, for its thread. `text` is what a notification shows."""

    text: str
    blocks: list[Block]
    thread: tuple[list[Block], ...] = ()


def brief(
    cut: Cut,
    artifact: Artifact,
    plan: Plan,
    *,
    fragments: Sequence[Fragment] = (),
    approved_by: Sequence[str] = (),
    flags: Mapping[str, str] | None = None,
    standing: Standing | None = None,
    passed: Sequence[str] = (),
    owed: Sequence[str] = (),
    limits: Sequence[str] = (),
    schema: Sequence[str] = (),
) -> Brief:
    """The brief of a release as it stands; `standing` says how far it is, nothing of it when it is not given. `passed`
    says of each place what was closed there and by whose waivers it was reached; `owed` what is left from before;
    `limits` whose service a schema change limits, how and when; `schema` what is expected of that change.

    The same arguments give the same bytes, so that an update that changes nothing can be told.
    """
    name = f"{cut.product.product} {cut.commit.version}"
    tenants = sum(len(wave.tenants) for wave in plan.waves)
    now = standing or Standing()
    head, *rest = messages(
        [
            header(f"{escaped(name)} goes to {tenants} {'tenant' if tenants == 1 else 'tenants'}"),
            context(
                f"release `{cut.release}` · commit `{cut.commit.commit[:12]}` · artifact `{artifact.digest[7:19]}`"
            ),
            *sections(f"*Where it stands.* {escaped(now.said)}"),
            *_waves(cut, plan, now),
            *_limits(limits),
            *_passed(passed),
            *_owed(owed),
            *_schema(schema),
            *_care(cut, fragments, approved_by, flags or {}),
            divider(),
            *_changes(cut, fragments),  # last: only this grows without bound, and what overflows goes to the thread
        ]
    )
    return Brief(f"Support brief: {name} goes to {tenants} tenants", head, (*rest, *messages(_long(plan))))


def _changes(cut: Cut, fragments: Sequence[Fragment]) -> Iterator[Block]:
    for fragment in fragments:
        said = [f"*{KINDS[fragment.kind]}* · `{escaped(fragment.id)}`", mrkdwn(fragment.text)]
        said += [f"\n*Upgrade*\n{mrkdwn(fragment.upgrade)}"] if fragment.upgrade else []
        said += [f"\n*Internal*\n{mrkdwn(fragment.internal)}"] if fragment.internal else []
        yield from sections("\n".join(said))
    commits = [f"• `{change.commit[:8]}` {escaped(change.subject)}" for change in cut.changes]
    if commits:
        yield from sections(
            f"*{len(commits)} {'commit' if len(commits) == 1 else 'commits'} aboard*\n" + "\n".join(commits)
        )


def _waves(cut: Cut, plan: Plan, standing: Standing) -> Iterator[Block]:
    watch = {ring.name: ring.watch for ring in cut.product.rings}
    for number, wave in enumerate(plan.waves, 1):
        state = standing.waves.get(wave.name, "planned")
        said = "called off" if state == "planned" and standing.over else f"{state}{_slot(wave, state)}"
        title = f"{_MARKS[state]} *Wave {number}: {wave.name}* · {said} · watched {_spoken(watch[wave.ring])}"
        yield from sections(f"{title}\n{_named(wave.tenants)}{_back(wave, standing)}")
    left_out = [f"• {one.tenant} {escaped(one.reason)}" for one in plan.placements if one.place != "wave"]
    if left_out:
        more = [f"• and {len(left_out) - _NAMED} more"] if len(left_out) > _NAMED else []
        yield from sections("\n".join(["*Not in this release*", *left_out[:_NAMED], *more]))


def _slot(wave: Wave, state: str) -> str:
    """When a wave is expected that has not begun."""
    return f" for {wave.start:%a %d %b %H:%M} UTC" if state == "planned" and wave.start else ""


def _limits(limits: Sequence[str]) -> Iterator[Block]:
    if limits:
        yield from sections("\n".join(["*Not served in full meanwhile*", *(f"• {escaped(one)}" for one in limits)]))


def _passed(passed: Sequence[str]) -> Iterator[Block]:
    if passed:
        yield from sections("\n".join(["*Closed, and passed by waiver*", *(f"• {escaped(one)}" for one in passed)]))


def _owed(owed: Sequence[str]) -> Iterator[Block]:
    if owed:
        yield from sections("\n".join(["*Owed from before*", *(f"• {escaped(one)}" for one in owed)]))


def _schema(schema: Sequence[str]) -> Iterator[Block]:
    if schema:
        yield from sections("\n".join(["*Schema change*", *(escaped(one) for one in schema)]))


def _spoken(seconds: int) -> str:
    """A duration as people write it, in the largest unit that says it exactly."""
    return next(f"{seconds // size}{unit}" for unit, size in (("h", 3600), ("m", 60), ("s", 1)) if seconds % size == 0)


def _named(tenants: Sequence[str]) -> str:
    named = ", ".join(tenants[:_NAMED])
    return f"{named} and {len(tenants) - _NAMED} more" if len(tenants) > _NAMED else named


def _back(wave: Wave, standing: Standing) -> str:
    """Who of the wave is back, where others of it are not."""
    back = [tenant for tenant in wave.tenants if tenant in standing.back]
    if not back or standing.waves.get(wave.name) == "rolled back":
        return ""
    return f"\n{_MARKS['rolled back']} back on the version before: {_named(back)}"


def _care(
    cut: Cut, fragments: Sequence[Fragment], approved_by: Sequence[str], flags: Mapping[str, str]
) -> Iterator[Block]:
    support = cut.product.support
    watched = _each(support.watch, [fragment.support.get("watch") for fragment in fragments])
    called = _each(support.escalation, [fragment.support.get("escalation") for fragment in fragments])
    yield fields(
        f"*Watch for 24 h*\n{watched or 'nothing is declared'}",
        f"*Escalation*\n{called or 'nobody is declared'}",
        f"*Approved by*\n{escaped(', '.join(approved_by)) or 'see the ledger'}",
        f"*Flags*\n{_flags(flags)}",
    )
    macros = _each("", [fragment.support.get("macro") for fragment in fragments])
    if macros:
        yield context(f"macros: {macros.replace(chr(10), ', ')}")


def _each(first: str, more: Sequence[Any]) -> str:
    """Every declared text once, in order, a line each."""
    return "\n".join(dict.fromkeys(escaped(str(text)) for text in (first, *more) if text))


def _flags(flags: Mapping[str, str]) -> str:
    return "\n".join(f"`{escaped(name)}` {escaped(flags[name])}" for name in sorted(flags)) or "none"


def _long(plan: Plan) -> list[Block]:
    """For the thread: who has it when, in full, where the head names only some."""
    long = [wave for wave in plan.waves if len(wave.tenants) > _NAMED]
    return [block for wave in long for block in sections(f"*{wave.name}*\n{', '.join(wave.tenants)}")]


def flag_states(flagd: str) -> dict[str, str]:
    """The default of every flag in a flagd file (valid JSON), or `disabled`."""
    flags: dict[str, dict[str, Any]] = json.loads(flagd).get("flags", {})
    return {
        name: "disabled" if flag.get("state") == "DISABLED" else _default(flag) for name, flag in sorted(flags.items())
    }


def _default(flag: Mapping[str, Any]) -> str:
    default = str(flag.get("defaultVariant") or "the code's own default")
    return f"{default}, with targeting" if flag.get("targeting") else default
