"""Deliveries as code hosts send them: published bodies, made ones, and both ways of signing."""

import base64
import hashlib
import hmac
import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

PAYLOADS = Path(__file__).parent / "deployments" / "payloads"
GITHUB = sorted((PAYLOADS / "github").glob("*.json"))
GITLAB = sorted((PAYLOADS / "gitlab").glob("*.json"))
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SECRET = "a secret of the hook"
KEY = b"0123456789abcdef0123456789abcdef"
STANDARD = f"whsec_{base64.b64encode(KEY).decode()}"
Event = dict[str, Any]
CLOSED: Event = json.loads((PAYLOADS / "github/pull_request.closed-1.json").read_bytes())


def merged(number: int = 1, **changed: Any) -> Event:
    """GitHub's published closed pull request, as it would be had it been merged. Dotted names reach into it."""
    event = deepcopy(CLOSED)
    commit = hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()
    mine: dict[str, Any] = {"merged": True, "merged_at": "2026-11-20T14:31:08Z", "merge_commit_sha": commit}
    event["pull_request"].update(mine, number=number)
    for path, value in changed.items():
        put(event, path.replace("__", "."), value)
    return event


def put(event: Event, path: str, value: object) -> Event:
    """Set what lies at a dotted path, or take it away with `...`."""
    *outer, last = path.split(".")
    inner: Any = event
    for name in outer:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return event


def github(body: bytes, secret: str = SECRET, event: str = "pull_request", delivery: str = "d-1") -> dict[str, str]:
    """The headers of a delivery of GitHub's."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": f"sha256={signature}",
    }


def gitlab(secret: str = SECRET, delivery: str = "d-1") -> dict[str, str]:
    """The headers of a delivery of GitLab's with a token."""
    return {
        "content-type": "application/json",
        "x-gitlab-event": "Merge Request Hook",
        "x-gitlab-token": secret,
        "idempotency-key": delivery,
    }


def standard(body: bytes, at: datetime = NOW, key: bytes = KEY, delivery: str = "msg_1") -> dict[str, str]:
    """The headers of a delivery of GitLab's that is signed as Standard Webhooks says."""
    stamp = str(int(at.timestamp()))
    signed = hmac.new(key, f"{delivery}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(signed).decode()}"
    named = {"webhook-id": delivery, "webhook-timestamp": stamp, "webhook-signature": signature}
    return {"content-type": "application/json", "x-gitlab-event": "Merge Request Hook", **named}


def body_of(event: Event) -> bytes:
    return json.dumps(event).encode()


def event_of(path: Path) -> str:
    """GitHub's name of the event whose example lies in a file."""
    return path.name.partition(".")[0]


def reviewed(by: str, comment: str, environment: str = "TST", **changed: Any) -> Event:
    """GitHub's published request for a deployment review, as an approval by the keys that GitHub documents."""
    event: Event = json.loads((PAYLOADS / "github/deployment_review.requested.json").read_bytes())
    run = event.pop("workflow_job_run") | {"environment": environment}
    for name in ("environment", "requestor"):
        del event[name]
    who = {**event["sender"], "login": by}
    event |= {
        "action": "approved",
        "approver": who,
        "sender": dict(who),
        "comment": comment,
        "workflow_job_runs": [run],
    }
    for path, value in changed.items():
        put(event, path.replace("__", "."), value)
    return event


def pressed(by: str, value: str, action: str = "stationmaster-approve", **changed: Any) -> Event:
    """A press of a button with the keys that Slack documents for block_actions."""
    event: Event = {
        "type": "block_actions", "api_app_id": "A0SHOP", "trigger_id": "1.2.3",
        "team": {"id": "T0SHOP", "domain": "shop"},
        "user": {"id": by, "username": by.lower(), "name": by.lower(), "team_id": "T0SHOP"},
        "container": {"type": "message", "message_ts": "1795420800.000100", "channel_id": "C0RELEASES"},
        "channel": {"id": "C0RELEASES", "name": "releases"}, "message": {"type": "message", "ts": "1795420800.000100"},
        "response_url": "https://hooks.slack.example/actions/T0SHOP/1/x",
        "actions": [{
            "type": "button", "action_id": action, "block_id": "stationmaster-approval", "value": value,
            "action_ts": "1795420801.000000",
        }],
    }  # fmt: skip
    for path, changed_to in changed.items():
        put(event, path.replace("__", "."), changed_to)
    return event


def form_of(event: Event) -> bytes:
    """The body in which Slack posts it."""
    return urlencode({"payload": json.dumps(event)}).encode()


def slack(body: bytes, secret: str = SECRET, at: datetime = NOW) -> dict[str, str]:
    """The headers of a press in Slack."""
    stamp = str(int(at.timestamp()))
    signature = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    signed = {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={signature}"}
    return {"content-type": "application/x-www-form-urlencoded", **signed}
