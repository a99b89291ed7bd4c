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
    415: {"content_type": "The body is not application/json."},
    422: {
        "delivery": "The body is not understood, or tells of a merge and lacks what is needed.",
        "delivery_reused": "The delivery was taken before, with another change.",
    },
    503: {"inbox_busy": "Nothing was kept and nothing is acknowledged: the inbox cannot be written now."},
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
    ]
}
_HEALTH = {
    "type": "object",
    "required": ["ok"],
    "additionalProperties": False,
    "properties": {"ok": {"const": True}},
}
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
        "paths": {"/hooks/{hook}": {"post": _receive()}, "/healthz": {"get": _health()}},
        "components": {"schemas": {"Error": _ERROR, "Taken": _TAKEN, "Health": _HEALTH}},
    }


def _receive() -> dict[str, Any]:
    headers = [
        {"name": name, "in": "header", "required": False, "description": says, "schema": {"type": "string"}}
        for name, says in _HEADERS.items()
    ]
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
