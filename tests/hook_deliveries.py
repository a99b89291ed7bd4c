"""Deliveries as code hosts send them: published bodies, made ones, and both ways of signing."""

import base64
import hashlib
import hmac
import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
