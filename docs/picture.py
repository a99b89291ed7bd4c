"""Draws docs/release.svg, the release as a DAG of acts. `make docs` runs it; tests/test_docs.py asks for every act."""

from collections.abc import Iterator
from pathlib import Path

WIDTH, BOX, TALL, STEP, ROW = 1229, 138, 44, 155, 72
MIDDLE = BOX // 2
Box = tuple[str, str]  # an act, and what it is about

ROWS: tuple[tuple[str, tuple[Box, ...]], ...] = (
    (
        "ask",
        (
            ("ask_confirmation", "in the channel"),
            ("require_confirmation", "who wants it?"),
            ("cut", "commit, changes"),
            ("require_base", "of a hotfix"),
            ("refuse_held", "was it rolled back?"),
        ),
    ),
    (
        "may it",
        (
            ("require_fragment", "is it written down?"),
            ("require_reviews", "by others"),
            ("link_tickets", "who asked for it?"),
            ("require_approvable", "can anybody sign?"),
        ),
    ),
    (
        "build",
        (
            ("build", "once, one digest"),
            ("run_checks", "on the artifact"),
            ("scan", "parts, holes, secrets"),
            ("lint", "no drop in expand"),
            ("rehearse", "a copy, up and back"),
        ),
    ),
    (
        "stage",
        (
            ("require_unfrozen", "stage"),
            ("expand", "stage's database"),
            ("stage", "old and new code"),
            ("make_plan", "rings, waves"),
        ),
    ),
    (
        "agree",
        (
            ("lay_down_mandate", "what is signed"),
            ("attest", "each gate so far"),
            ("ask_approval", "in the channel"),
            ("require_approval", "not by authors"),
        ),
    ),
    (
        "begin",
        (
            ("send_brief", "support, in Slack"),
            ("attest", "each gate so far"),
            ("require_departure", "not too early"),
            ("require_unfrozen", "production"),
            ("expand", "shared databases"),
        ),
    ),
)
WAVE: tuple[tuple[Box, ...], ...] = (
    (
        ("require_soak", "good for long enough?"),
        ("require_window", "open now?"),
        ("publish_flags", "flagd file"),
        ("expand", "dedicated"),
        ("deploy", "idle colour"),
        ("update_brief", "the wave begins"),
        ("shift", "routes, at once"),
    ),
    (
        ("watch", "counts, journeys"),
        ("promote", "or hold"),
        ("update_brief", "how far it is"),
        ("attest", "what was done"),
    ),
)
BACK: tuple[Box, ...] = (("route_back", "on a breach, at once"), ("rollback", "does the rest"))
END: tuple[Box, ...] = (
    ("close", "ask every process"),
    ("update_brief", "released"),
    ("attest", "what was done"),
    ("seal", "the log, published"),
)

STYLE = """<style>
text{text-anchor:middle;font:600 11px system-ui,sans-serif;fill:#16324f}
.s{font-size:11px;font-weight:400;fill:#4a6076} .l{text-anchor:start;font-size:12px;font-weight:400;fill:#4a6076}
.b{fill:#eaf2fb;stroke:#2f6fad} .v{fill:#eaf7ee;stroke:#2e8b57} .r{fill:#fdeeee;stroke:#b04343}
.w{fill:none;stroke:#2e8b57;stroke-dasharray:5 4}
.a{fill:none;stroke:#4a6076;stroke-width:1.4;marker-end:url(#h)}
</style>
<defs><marker id="h" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">\
<path d="M0 0 L8 4 L0 8 z" fill="#4a6076"/></marker></defs>"""


def draw() -> str:
    """The whole picture."""
    parts, y = [STYLE, f'<rect width="{WIDTH}" height="{_height()}" fill="#fff"/>'], 20
    for label, boxes in ROWS:
        down = 36 + (28 if label == ROWS[-1][0] else 0)  # past the head of the frame
        parts += [f'<text class="l" x="30" y="{y + 27}">{label}</text>', *_row(boxes, 110, y, "b")]
        parts.append(_turn(boxes, y, down))
        y += ROW
    parts += _wave(y)
    y += 40 + ROW * len(WAVE) + 12
    parts += [*_row(END, 110, y, "b"), f'<path class="a" d="M94 {y - 22} V{y + 22} H109"/>']
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {_height()}" width="{WIDTH}"'
    said = 'role="img" aria-label="The release as a DAG of acts"'
    return "\n".join([f'{head} height="{_height()}" {said}>', *parts, "</svg>", ""])


def _height() -> int:
    return 20 + ROW * len(ROWS) + 40 + ROW * len(WAVE) + 12 + TALL + 20


def _row(boxes: tuple[Box, ...], x: int, y: int, kind: str) -> Iterator[str]:
    """Boxes from left to right, each with an arrow to the next."""
    for number, (act, about) in enumerate(boxes):
        left = x + STEP * number
        yield (
            f'<g transform="translate({left},{y})"><rect class="{kind}" width="{BOX}" height="{TALL}" rx="6"/>'
            f'<text x="{MIDDLE}" y="18">{act}</text><text class="s" x="{MIDDLE}" y="34">{about}</text></g>'
        )
        if number:
            yield f'<path class="a" d="M{left - STEP + BOX} {y + 22} H{left - 1}"/>'


def _turn(boxes: tuple[Box, ...], y: int, down: int = 36) -> str:
    """From the end of a row to the start of the next."""
    end = 110 + STEP * (len(boxes) - 1) + BOX
    return f'<path class="a" d="M{end} {y + 22} h12 v36 H94 v{down} H109"/>'


def _wave(y: int) -> Iterator[str]:
    """The acts of each wave in their frame: good ones lead round again, a breach leads back."""
    tall = 28 + ROW * len(WAVE) + 4
    yield f'<rect class="w" x="26" y="{y}" width="{WIDTH - 52}" height="{tall}" rx="10"/>'
    yield f'<text class="l" x="112" y="{y + 19}">for each wave: pilot, early, general</text>'
    first, second = y + 28, y + 28 + ROW
    yield from _row(WAVE[0], 110, first, "v")
    yield _turn(WAVE[0], first)
    yield from _row(WAVE[1], 110, second, "v")
    last = 110 + STEP * (len(WAVE[1]) - 1) + BOX
    yield f'<path class="a" d="M{last} {second + 22} h18"/>'
    yield f'<text class="l" x="{last + 29}" y="{second + 26}">the next wave</text>'
    back = 110 + STEP * (len(WAVE[1]) + 1)
    yield from _row(BACK, back, second, "r")
    yield f'<path class="a" d="M{110 + MIDDLE} {second + 44} v10 H{back + MIDDLE} V{second + 45}"/>'


if __name__ == "__main__":
    Path(__file__).with_name("release.svg").write_text(draw())
