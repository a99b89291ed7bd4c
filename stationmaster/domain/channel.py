"""What somebody says through a channel that vouches for who they are: a button in Slack, a deployment review at GitHub.

Whether a delivery is genuine is decided before, by `domain/signatures.py`, and whether what it says counts after, by
`domain/approval.py`. Who said it is taken from what the channel says itself, never from what people wrote.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs

from stationmaster.domain.approval_statement import Channel
from stationmaster.domain.deliveries import DeliveryError, Ignored
from stationmaster.domain.entries import canonical

Action = Literal["deploy", "confirm"]
BUTTON = "stationmaster-approval"  # the block in which our buttons stand
_ACTIONS: dict[str, Action] = {"stationmaster-approve": "deploy", "stationmaster-confirm": "confirm"}
_DIGEST = re.compile(r"(?<![\w:])sha256:[0-9a-f]{64}(?![0-9a-f])")
_HANDLE = re.compile(r"[\w.\[\]-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody by their account (`by`) names what they agree to by its digest: a mandate, or the request of a release
    whose start they confirm. Of a digest alone, the ledger knows which release it is of. `thread` is the message that
    they answered.
    """

    channel: Channel
    by: str
    digest: str
    release: str | None = None
    action: Action | None = None
    thread: str | None = None


def button(action: Action, release: str, digest: str, label: str) -> dict[str, Any]:
    """A button (Block Kit) that says it for whoever presses it."""
    name = next(name for name, means in _ACTIONS.items() if means == action)
    value = canonical({"digest": digest, "release": release}).decode()
    text = {"type": "plain_text", "text": label}
    return {"type": "actions", "block_id": BUTTON, "elements": [
        {"type": "button", "action_id": name, "style": "primary", "text": text, "value": value},
    ]}  # fmt: skip


def of_slack(body: bytes) -> Voice | Ignored:
    """What an interaction says, as Slack posts one: a form with the field `payload`, in JSON.

    Raises:
        DeliveryError: it is none, or our button's value is not as we made it.
    """
    told = _payload(body)
    actions = told.get("actions")
    if told.get("type") != "block_actions" or not isinstance(actions, list) or len(actions) != 1:
        return Ignored("it is no press of one button")
    pressed = actions[0] if isinstance(actions[0], dict) else {}
    action = _ACTIONS.get(str(pressed.get("action_id")))
    if action is None:
        return Ignored("the button is none of ours")
    release, digest = _value(pressed.get("value"))
    return Voice("slack", _handle(_at(told, "user", "id")), digest, release, action, _text(_at(told, "message", "ts")))


def of_github(environment: str, event: Mapping[str, Any]) -> Voice | Ignored:
    """What a `deployment_review` event says: who approved a deployment to the environment, and in their comment the
    digest of what they agree to. The deployment that a workflow waits with says nothing: its payload is empty, and its
    title is written by whoever starts it.

    Raises:
        DeliveryError: it was approved, and does not say by whom.
    """
    if event.get("action") != "approved":
        return Ignored("no deployment was approved")
    if environment not in set(_environments(event)):
        return Ignored(f"it was not the environment {environment!r}")
    approver, sender = _at(event, "approver", "login"), _at(event, "sender", "login")
    if approver != sender:
        return Ignored("who approved and who sent it are two accounts")
    found = set(_DIGEST.findall(str(event.get("comment") or "")))
    if len(found) != 1:
        return Ignored("the comment of the approval does not name one mandate")
    return Voice("github", _handle(approver), found.pop())


def _payload(body: bytes) -> dict[str, Any]:
    try:
        fields = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)
        (text,) = fields["payload"]
        told = json.loads(text)
    except (ValueError, KeyError, RecursionError):
        raise DeliveryError("the body is no form with one payload in JSON", hint="send it as Slack does") from None
    if not isinstance(told, dict):
        raise DeliveryError("the payload is no JSON object", hint="send it as Slack does")
    return told


def _value(text: object) -> tuple[str, str]:
    try:
        value = json.loads(str(text))
        release, digest = value["release"], value["digest"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DeliveryError("the button's value is not ours", hint="only our own message has this button") from None
    if not isinstance(release, str) or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise DeliveryError("the button's value is not ours", hint="only our own message has this button")
    return release, digest


def _environments(event: Mapping[str, Any]) -> list[str]:
    runs = event.get("workflow_job_runs")
    listed = runs if isinstance(runs, list) else [event.get("workflow_job_run")]
    return [str(run.get("environment")) for run in listed if isinstance(run, dict)]


def _handle(account: object) -> str:
    if not isinstance(account, str) or not _HANDLE.fullmatch(account):
        raise DeliveryError("it does not say who it was", hint="send it as the host does")
    return account


def _at(told: Mapping[str, Any], outer: str, inner: str) -> object:
    part = told.get(outer)
    return part.get(inner) if isinstance(part, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"\d{1,12}\.\d{1,9}", value, re.ASCII) else None
