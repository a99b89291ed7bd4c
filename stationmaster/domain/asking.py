"""The messages that ask people in the channel to approve a release, or to confirm that somebody wants it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stationmaster.domain.artifact import Cut
from stationmaster.domain.block_kit import Block, context, escaped, fields, header, sections
from stationmaster.domain.channel import button
from stationmaster.domain.confirming import asked_digest
from stationmaster.domain.question import Question


@dataclass(frozen=True, slots=True)
class Asking:
    """A message; `key` is what it is found again by, another one when something else is asked."""

    key: str
    text: str
    blocks: list[Block]


def asking_approval(cut: Cut, question: Question, forecast: Sequence[str] = ()) -> Asking:
    """To agree to the mandate; `forecast` says what its schema change will take. There is no button where the policy
    asks for signatures.
    """
    needs = ", ".join(f"{count} {role}" for role, count in question.required.items())
    what = f"the contract of {question.release}" if question.act == "contract" else question.release
    text = f"{what} waits for approval"
    command = f"`stationmaster approve {question.release} --key FILE`"
    presses = question.assurance == "attested_by_channel"
    return Asking(
        f"{question.release}/approval/{question.mandate[7:23]}",
        text,
        [
            header(text),
            fields(
                f"*Version*\n{escaped(cut.commit.version)}", f"*Commit*\n`{cut.commit.commit[:12]}`",
                f"*Changes*\n{len(cut.changes)}", f"*Needs*\n{escaped(needs)}",
            ),
            *sections(f"Mandate `{question.mandate}`"),
            *(sections("\n".join(["*Schema change*", *(escaped(line) for line in forecast)])) if forecast else []),
            *([button("deploy", question.release, question.mandate, "Approve this mandate")] if presses else []),
            context(
                f"Whoever started it or wrote all of it cannot approve it. {'Or sign it' if presses else 'Sign it'}: "
                f"{command}"
            ),
        ],
    )  # fmt: skip


def asking_confirmation(release: str, asked: Mapping[str, Any]) -> Asking:
    """To say who wants a release that was started from the Prefect UI, which knows no users."""
    digest, text = asked_digest(release, asked), f"{release} waits for somebody to confirm its start"
    told = [f"*{name.capitalize()}*\n{escaped(str(value))}" for name, value in sorted(asked.items())]
    return Asking(
        f"{release}/start/{digest[7:23]}",
        text,
        [
            header(text),
            fields(*told),
            *sections(f"Request `{digest}`"),
            button("confirm", release, digest, "I want this release"),
            context(
                "Whoever confirms it is its starter and cannot approve it. Or: "
                f"`stationmaster approve {release} --confirm --key FILE`"
            ),
        ],
    )
