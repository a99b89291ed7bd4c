"""The demo's last words: what each release did, in words and figures, and where to look further."""

from collections import Counter
from collections.abc import Sequence

from stationmaster.deployments.descriptor import Descriptor
from stationmaster.deployments.sandbox.demo import Result
from stationmaster.deployments.sandbox.traffic_log import TrafficLog

_LABEL = 16


def report(found: Descriptor, results: Sequence[Result], log: TrafficLog, since: float, seconds: float) -> str:
    """The text. `since` is when the first release was started, `seconds` how long they took together."""
    rows = [
        ("Traffic", f"{log.sent(since):,} requests in {seconds:.0f} s, {log.latency(since)}"),
        ("Prefect UI", f"{found.prefect_ui}   (user:password in {found.prefect_auth})"),
        ("Slack messages", f"{found.messages}"),
        ("people, keys", f"{found.public_keys}   (demo keys, made for this sandbox)"),
        ("webhooks", f"{found.receiver}   (hooks in {found.receiver_file})"),
        ("ledger", f"stationmaster release status {results[-1].release}"),
        ("end it", "stationmaster down"),
    ]
    told = [line for result in results for line in ["", *_release(result)]]
    return "\n".join([*told, "", *(f"{label:{_LABEL + 2}}{text}" for label, text in rows)])


def _release(result: Result) -> list[str]:
    ended = "as its scenario promises" if result.kept else f"and should have been {_plain(result.scenario.promise)}"
    rows = [
        ("artifact", f"{result.digest}, built once" if result.digest else "none was built"),
        ("waves", ", ".join(f"{wave['ring']} {wave['verdict'] or 'not begun'}" for wave in result.waves) or "none"),
        *_way_back(result),
        ("asked", f"every process: {_answers(result)}"),
    ]
    return [
        f"{result.release}: {_plain(result.outcome)}, {ended}",
        *(f"  {label:{_LABEL}}{text}" for label, text in rows),
    ]


def _way_back(result: Result) -> list[tuple[str, str]]:
    """Of a release that went back: why, how fast, and what it cost. Of any other: what failed."""
    figures = result.figures
    if figures.decided_at is None:
        return [("failed", f"{_requests(figures.failed)}")]
    reason = next(entry.fact["reason"] for entry in result.entries if entry.step == "rollback")
    return [
        ("decided", f"{figures.decided_at:%H:%M:%S} UTC: {reason}"),
        ("back", f"{figures.seconds:.2f} s later the last user had an answer from it; by itself, nobody was asked"),
        (
            "failed",
            f"{_requests(figures.bad or 0)} from that decision on; {figures.failed} before it, while it was watched",
        ),
        ("on hold", f"no release may carry its changes until stationmaster release resume {result.release} …"),
    ]


def _answers(result: Result) -> str:
    """Who is on what, by the processes' own word."""
    count = Counter((version or "nothing", (digest or "no digest")[:19]) for version, digest in result.served.values())
    return "; ".join(
        f"{number} {'tenant is' if number == 1 else 'tenants are'} served by {version} ({digest}…)"
        for (version, digest), number in sorted(count.items())
    )


def _requests(count: int) -> str:
    return f"{count} {'request' if count == 1 else 'requests'}"


def _plain(outcome: str) -> str:
    return outcome.replace("_", " ")
