"""The page on which a tenant's contact agrees to a release or declines it: what comes, until when, and two buttons.

It fetches nothing and runs no script; everything that is put into it is escaped. It says what concerns this tenant; a
change whose text names another is left out, and that one was is said.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jinja2 import Environment

from stationmaster.domain.consent import Standing
from stationmaster.domain.fragments import KINDS, Fragment
from stationmaster.domain.others import Others
from stationmaster.domain.tenants import Tenant

_OUTWARD = frozenset({"customer", "integrator", "customer_it"})  # audiences outside our company
_STYLE = """\
body{margin:0 auto;padding:24px;max-width:44rem;background:#fff;color:#1b2733;font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:1.6rem 0 .3rem}.text{white-space:pre-wrap;overflow-wrap:anywhere}
.said{border-left:4px solid #5a6b7b;padding-left:12px}button{font:inherit;padding:.5rem 1.2rem;margin:0 .8rem .8rem 0}
@media (prefers-color-scheme:dark){body{background:#12181f;color:#e6ebf0}}
"""
_SOURCE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<h1>{{ title }}</h1>
{% for line in lines %}<p class="said">{{ line }}</p>
{% endfor %}{% for head, text in changes %}<h2>{{ head }}</h2>
<div class="text">{{ text }}</div>
{% endfor %}{% if asks %}<h2>Your answer</h2>
<p>You may answer until {{ until }}, and change your answer until then.</p>
<form method="post"><button name="answer" value="agree">We agree</button>\
<button name="answer" value="decline">We do not agree</button></form>
{% endif %}</body>
</html>
"""
_PAGE = Environment(autoescape=True, keep_trailing_newline=True).from_string(_SOURCE)
_SAID = {
    "agreed": "You agreed to this release.",
    "declined": "You did not agree to this release: it does not come to you.",
    "asked": "Without an answer until then, this release {default}.",
    "go": "The time to agree is over without an answer, so this release comes as your contract says.",
    "skip": "The time to agree is over without an answer, so this release does not come, as your contract says.",
}
_DEFAULT = {"go": "comes, as your contract says", "skip": "does not come to you, as your contract says"}


def policy() -> str:
    """The Content-Security-Policy of the page: its own style, a form to where it came from, and nothing else."""
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page is about. `others` are whom it must not name."""

    product: str
    release: str
    version: str
    tenant: Tenant
    standing: Standing
    fragments: Sequence[Fragment]
    others: Others


def page(asked: Asked) -> str:
    """The page with its question. The same arguments give the same bytes."""
    consent = asked.tenant.approval
    default = _DEFAULT[consent.default if consent else "skip"]
    lines = [
        f"{asked.tenant.name}, you are asked whether this release may come to you. Its name is {asked.release}.",
        _SAID[asked.standing.state].format(default=default),
    ]
    return _rendered(
        f"{asked.product} {asked.version}",
        lines,
        changes=list(_changes(asked)),
        asks=True,
        until=_said(asked.standing.until),
    )


def notice(title: str, *lines: str) -> str:
    """A page that asks nothing."""
    return _rendered(title, lines)


def concerns(fragment: Fragment, tenant: Tenant) -> bool:
    """Whether a change is for the tenant's own people to read: by its audience, and by the tenants it names."""
    audience, named = fragment.front.get("audience"), fragment.front.get("tenants")
    if audience is not None and not _OUTWARD & set(_words(audience)):
        return False
    mine = {tenant.id, *tenant.tags}
    if isinstance(named, dict):
        include, exclude = named.get("include"), named.get("exclude")
        return (include is None or bool(mine & set(_words(include)))) and not mine & set(_words(exclude or []))
    return named is None or bool(mine & set(_words(named)))


def _changes(asked: Asked) -> Iterable[tuple[str, str]]:
    mine = [(KINDS[one.kind], _told(one)) for one in asked.fragments if concerns(one, asked.tenant)]
    fit = [(kind, text) for kind, text in mine if not asked.others.named_in(text.encode())]
    yield from fit
    if gone := len(mine) - len(fit):
        yield "Changes", f"Not shown here, since the text names another customer: {gone} of {len(mine)}."
    elif not mine:
        yield "Changes", "Nothing of this release is for you to read."


def _told(fragment: Fragment) -> str:
    return fragment.text + (f"\n\nUpgrade\n{fragment.upgrade}" if fragment.upgrade else "")


def _words(given: Any) -> list[str]:  # noqa: ANN401 - as a person wrote it
    return [str(one) for one in given] if isinstance(given, list | tuple) else [str(given)]


def _said(at: datetime) -> str:
    return f"{at:%d %B %Y, %H:%M} UTC"


def _rendered(title: str, lines: Iterable[str], **more: Any) -> str:  # noqa: ANN401 - of the template
    return _PAGE.render(title=title, lines=list(lines), style=_STYLE, **more)
