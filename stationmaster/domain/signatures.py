"""Whether a delivery comes from somebody who has the hook's secret. The clock is given; nothing is parsed but headers.

GitHub: X-Hub-Signature-256, HMAC-SHA256 over the raw body. GitLab: the token itself in X-Gitlab-Token, or, for a secret
that starts with `whsec_`, Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`.
Slack: X-Slack-Signature, HMAC-SHA256 over `v0:timestamp:body`.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

STANDARD = "whsec_"
TOLERANCE = 300  # seconds that a timestamp may be away, either way, where one is signed
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)

Headers = Mapping[str, str]  # names in lower case, or looked up without regard to case


def refusal(host: Literal["github", "gitlab"], secret: str, headers: Headers, body: bytes, now: datetime) -> str | None:
    """Why a delivery is not believed, in words that may be shown; None when its signature holds at an aware `now`."""
    if host == "github":
        return _github(secret, headers, body)
    if secret.startswith(STANDARD):
        return _standard(standard_key(secret), headers, body, now)
    return _token(secret, headers)


def slack_refusal(secret: str, headers: Headers, body: bytes, now: datetime) -> str | None:
    """As `refusal`, of what Slack posts when somebody presses a button; `secret` is the app's signing secret."""
    given, at = headers.get("x-slack-signature"), headers.get("x-slack-request-timestamp")
    if given is None or at is None:
        return "there is no X-Slack-Signature or no X-Slack-Request-Timestamp header"
    if not _is_recent(at, now):
        return f"X-Slack-Request-Timestamp is not within {TOLERANCE // 60} minutes of now"
    expected = "v0=" + hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return None if _same(given, expected) else "X-Slack-Signature does not fit the body and this app's signing secret"


def _is_recent(timestamp: str, now: datetime) -> bool:
    return bool(_TIMESTAMP.fullmatch(timestamp)) and abs(now.timestamp() - int(timestamp)) <= TOLERANCE


def standard_key(secret: str) -> bytes | None:
    """The key of a Standard Webhooks secret; None when the secret is a plain token.

    Raises:
        ValueError: what follows the prefix is not base64.
    """
    if not secret.startswith(STANDARD):
        return None
    try:
        key = base64.b64decode(secret.removeprefix(STANDARD), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError(f"a secret that starts with {STANDARD} must go on with a key in base64")
    return key


def _github(secret: str, headers: Headers, body: bytes) -> str | None:
    given = headers.get("x-hub-signature-256")
    if given is None:
        return "there is no X-Hub-Signature-256 header"
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return None if _same(given, expected) else "X-Hub-Signature-256 does not fit the body and this hook's secret"


def _token(secret: str, headers: Headers) -> str | None:
    given = headers.get("x-gitlab-token")
    if given is None:
        return "there is no X-Gitlab-Token header"
    return None if _same(given, secret) else "X-Gitlab-Token is another"


def _standard(key: bytes | None, headers: Headers, body: bytes, now: datetime) -> str | None:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    missing = [name for name in names if not headers.get(name)]
    if missing or key is None:
        return f"there is no {' and no '.join(missing)} header"
    sent, at, signatures = (headers[name] for name in names)
    if not _is_recent(at, now):
        return f"webhook-timestamp is not within {TOLERANCE // 60} minutes of now"
    signed = hmac.new(key, f"{sent}.{at}.".encode("latin-1", "backslashreplace") + body, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(signed).decode()}"
    fits = [_same(given, expected) for given in signatures.split(" ")]  # all of them: the time tells nothing
    return None if any(fits) else "no signature in webhook-signature fits the body and this hook's secret"


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("latin-1", "backslashreplace"), expected.encode())
