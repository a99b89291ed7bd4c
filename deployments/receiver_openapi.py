"""What the receiver says of itself at /openapi.json (OpenAPI 3.1): every path, and every answer that it may give."""

import importlib.metadata
from typing import Any

# Status to code and meaning, in the order in which a delivery is checked.
REFUSALS: dict[int, dict[str, str]] = {
    404: {"unknown_hook": "There is no such hook."},
    413: {"body_too_large": "The body is longer than 5 MiB."},
    400: {"body_cut": "The body ended before its end."},
    408: {"body_too_slow": "The body was not complete in time."},
    401: {"signature": "The delivery is not signed with the hook's secret."},
    415: {"content_type": "The body is not application/json; of Slack, no form."},
    422: {
        "delivery": "The body is not understood, or tells of a merge and lacks what is needed.",
        "delivery_reused": "The delivery was taken before, with another change.",
    },
    503: {
        "inbox_busy": "Nothing was kept and nothing is acknowledged: the inbox cannot be written now.",
        "not_recorded": "What somebody approved was not recorded: the ledger or the product's tools are away.",
    },
}
_TEXT = {"type": "string"}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint"],
            "additionalProperties": False,
            "properties": {"code": _TEXT, "message": _TEXT, "hint": {"type": ["string", "null"]}},
        }
    },
}
_TAKEN = {
    "oneOf": [
        {
            "type": "object",
            "required": ["accepted", "change", "duplicate"],
            "additionalProperties": False,
            "properties": {
                "accepted": {"const": True},
                "change": {"type": "string", "description": "PRODUCT@MERGE_COMMIT"},
                "duplicate": {"type": "boolean", "description": "It was in the inbox before."},
            },
        },
        {
            "type": "object",
            "required": ["accepted", "reason"],
            "additionalProperties": False,
            "properties": {"accepted": {"const": False}, "reason": _TEXT},
        },
        {
            "type": "object",
            "required": ["accepted", "release", "counts", "said"],
            "additionalProperties": False,
            "properties": {
                "accepted": {"const": True},
                "release": _TEXT,
                "counts": {"type": "boolean", "description": "Whether the approval counts."},
                "said": {"type": "string", "description": "What it comes to, in a sentence."},
            },
        },
    ]
}
_HEALTH = {
    "type": "object",
    "required": ["ok"],
    "additionalProperties": False,
    "properties": {"ok": {"const": True}},
}
_HEARD = {
    "type": "object",
    "required": ["response_type", "replace_original", "text"],
    "additionalProperties": False,
    "properties": {"response_type": {"const": "ephemeral"}, "replace_original": {"const": False}, "text": _TEXT},
}
_APP = {"name": "app", "in": "path", "required": True, "schema": {"type": "string"}}
_SIGNED = {  # what Slack sends with every press
    "X-Slack-Request-Timestamp": "Seconds since 1970, at most five minutes away.",
    "X-Slack-Signature": "HMAC-SHA256 of v0:timestamp:body, in hex after `v0=`.",
}
_TOKEN = {"name": "token", "in": "path", "required": True, "schema": _TEXT, "description": "The end of a link."}
_LOOKED = {  # each of them a page, without a word about what is asked
    404: "The link is none of ours.",
    410: "The link is over, or nobody asks that any more.",
    503: "Nothing was changed: too much is asked at once, or what is needed is away.",
}
_UNREAD = {400: "The body is no answer, or was cut.", 408: "The body did not arrive in time.", 413: "It is too long."}
_NAME = {"name": "hook", "in": "path", "required": True, "schema": {"type": "string"}}
_HEADERS = {  # of which a hook needs those of its host
    "X-GitHub-Event": "GitHub: the kind of event.",
    "X-GitHub-Delivery": "GitHub: the delivery, the same when it is sent again.",
    "X-Hub-Signature-256": "GitHub: HMAC-SHA256 of the raw body.",
    "X-Gitlab-Token": "GitLab with a token: the token.",
    "webhook-id": "GitLab with a signing secret: the delivery.",
    "webhook-timestamp": "GitLab with a signing secret: seconds since 1970, at most five minutes away.",
    "webhook-signature": "GitLab with a signing secret: HMAC-SHA256 of id.timestamp.body, in base64 after `v1,`.",
}


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stationmaster receiver", "version": importlib.metadata.version("stationmaster")},
        "paths": {
            "/hooks/{hook}": {"post": _receive()},
            "/slack/{app}": {"post": _press()},
            "/healthz": {"get": _health()},
            "/consent/{token}": {"get": _question(), "post": _answered()},
        },
        "components": {"schemas": {"Error": _ERROR, "Taken": _TAKEN, "Heard": _HEARD, "Health": _HEALTH}},
    }


def _receive() -> dict[str, Any]:
    headers = [_header(name, says) for name, says in _HEADERS.items()]
    return {
        "operationId": "receive",
        "summary": "Take the delivery of a code host: a merged pull request or merge request.",
        "parameters": [_NAME, *headers],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {
            "202": _answer("Taken: it is in the inbox, or it is nothing that is needed and why.", "Taken"),
            **{str(status): _refusal(status) for status in sorted(REFUSALS)},
        },
    }


def _press() -> dict[str, Any]:
    form = {"type": "object", "required": ["payload"], "properties": {"payload": _TEXT}}
    return {
        "operationId": "press",
        "summary": "Take a press of a button in Slack: somebody approves a release, or confirms its start.",
        "parameters": [_APP, *(_header(name, says) | {"required": True} for name, says in _SIGNED.items())],
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}},
        "responses": {
            "200": _answer("On record, with what it comes to, or not and why.", "Heard"),
            "202": _answer("Nothing that is needed, and why.", "Taken"),
            **{str(status): _refusal(status) for status in sorted(REFUSALS)},
        },
    }


def _question() -> dict[str, Any]:
    return {
        "operationId": "question",
        "summary": "Show a tenant's contact what comes, where the receiver's file names `consents`.",
        "parameters": [_TOKEN],
        "responses": {"200": _page("What comes, until when, and how to answer."), **_pages(_LOOKED)},
    }


def _answered() -> dict[str, Any]:
    form = {"type": "object", "required": ["answer"], "properties": {"answer": {"enum": ["agree", "decline"]}}}
    there = {"Location": {"schema": _TEXT, "description": "The page itself."}}
    return {
        "operationId": "consent",
        "summary": "Take the answer of a tenant's contact, where the receiver's file names `consents`.",
        "parameters": [_TOKEN],
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}},
        "responses": {"303": {"description": "On record.", "headers": there}, **_pages(_LOOKED | _UNREAD)},
    }


def _pages(said: dict[int, str]) -> dict[str, Any]:
    """A receiver whose file names no `consents` has no such page, and says so as of any other path."""
    found = {
        str(status): _page(means) | ({"headers": _RETRY} if status == 503 else {})  # noqa: PLR2004 - a status
        for status, means in sorted(said.items())
    }
    found["404"]["content"] |= _answer("", "Error")["content"]
    return found


def _page(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/html": {"schema": _TEXT}}}


def _header(name: str, says: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": says, "schema": {"type": "string"}}


def _health() -> dict[str, Any]:
    unwell = {**_answer("The inbox does not answer.", "Error"), "headers": _RETRY}
    return {
        "operationId": "health",
        "summary": "Whether deliveries can be taken.",
        "responses": {"200": _answer("The inbox answers.", "Health"), "503": unwell},
    }


_RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def _refusal(status: int) -> dict[str, Any]:
    said = " ".join(f"`{code}`: {means}" for code, means in REFUSALS[status].items())
    return {**_answer(said, "Error"), **({"headers": _RETRY} if status == 503 else {})}  # noqa: PLR2004 - a status


def _answer(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}
