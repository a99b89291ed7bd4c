"""The sandbox's users: requests of every tenant at its own rate, each counted, none tried again.

`python -m stationmaster.deployments.sandbox.traffic (--front HOST:PORT | --socket PATH) --plan FILE --out FILE`.
Open loop: a slow server does not slow it down, and a request's time runs from when it was due. SIGTERM ends it.
"""

import argparse
import asyncio
import heapq
import json
import random
import secrets
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stationmaster.deployments.sandbox.bounded import BoundedLines
from stationmaster.deployments.sandbox.traffic_http import Answer, BrokenAnswerError, Connections
from stationmaster.deployments.sandbox.traffic_log import Recorder
from stationmaster.deployments.sandbox.traffic_plan import Call, TrafficPlan

_NAP = 0.2  # seconds between looks at whether to stop
_BEHIND = 5.0  # seconds; whoever was stopped for longer goes on from now and does not catch up
_FAREWELL = 2.0  # seconds that requests under way have left when it is stopped
_UNAUTHORISED = 401


@dataclass
class _Session:
    """What a tenant's user has got so far."""

    token: str | None = None
    id: str | None = None


@dataclass
class Traffic:
    """All tenants against one front."""

    plan: TrafficPlan
    front: Connections
    recorder: Recorder
    _stopped: bool = False
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._random = random.Random(self.plan.seed)  # noqa: S311 - arrivals, not secrets
        self._sessions = {tenant: _Session() for tenant in self.plan.tenants}

    async def run(self) -> None:
        """Until `stop`; then what is under way is waited for, and the last second written."""
        writer = asyncio.create_task(self._write_seconds())
        await self._send_when_due()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=min(self.plan.timeout, _FAREWELL))
        writer.cancel()
        self.recorder.second(time.time())
        self.front.close()

    def stop(self) -> None:
        """Send nothing further."""
        self._stopped = True

    async def _send_when_due(self) -> None:
        now = asyncio.get_running_loop().time
        due = [(now() + self._gap(tenant) * self._random.random(), tenant) for tenant in sorted(self.plan.tenants)]
        heapq.heapify(due)
        while not self._stopped:
            at, tenant = due[0]
            wait = at - now()
            if wait > 0:
                await asyncio.sleep(min(wait, _NAP))
                continue
            heapq.heapreplace(due, ((at if wait > -_BEHIND else now()) + self._gap(tenant), tenant))
            self._start(tenant, time.time() + max(wait, -_BEHIND))

    def _gap(self, tenant: str) -> float:
        rate = self.plan.tenants[tenant]
        return self._random.expovariate(rate) if self.plan.arrivals == "poisson" else 1 / rate

    def _start(self, tenant: str, due: float) -> None:
        self.recorder.sent += 1
        call = self._choose(self._sessions[tenant])
        if len(self._under_way) >= self.plan.in_flight:
            self.recorder.failure(_failure(tenant, call, due, None, "overflow"))
            return
        task = asyncio.create_task(self._ask(tenant, call, due))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _choose(self, session: _Session) -> Call:
        if session.token is None:
            return self.plan.login
        if self._random.random() < self.plan.write_share:
            return self._random.choice(self.plan.writes)
        known = [read for read in self.plan.reads if session.id is not None or "{id}" not in read.path]
        return self._random.choice(known or self.plan.writes)

    async def _ask(self, tenant: str, call: Call, due: float) -> None:
        session = self._sessions[tenant]
        answer, error = None, None
        try:
            async with asyncio.timeout(self.plan.timeout):
                answer = await self.front.ask(_request(tenant, call, session))
        except (OSError, BrokenAnswerError) as problem:  # TimeoutError is an OSError
            error = f"{type(problem).__name__}: {problem}".rstrip(": ")
        if answer is not None:
            self._note(tenant, answer, due)
            error = self._learn(call, session, answer)
        if error is not None:
            self.recorder.failure(_failure(tenant, call, due, answer, error))

    def _note(self, tenant: str, answer: Answer, due: float) -> None:
        now = time.time()
        version, digest = _origin(answer)
        self.recorder.answered(tenant, version or "none", digest or "none", now - due, now)

    def _learn(self, call: Call, session: _Session, answer: Answer) -> str | None:
        """Keep what later requests need; what is wrong with the answer, if anything is."""
        if answer.status == _UNAUTHORISED:
            session.token = None  # the next request logs in again; this one failed
        if answer.status not in call.expect:
            return f"unexpected status {answer.status}"
        if call is self.plan.login or call.keep:
            try:
                given: dict[str, Any] = json.loads(answer.body)
                kept = str(given[call.keep or "token"])
            except (ValueError, KeyError, TypeError):
                return "the answer lacks what it should hold"
            if call is self.plan.login:
                session.token = kept
            else:
                session.id = kept
        return None

    async def _write_seconds(self) -> None:
        while True:
            await asyncio.sleep(1 - time.time() % 1)
            self.recorder.second(time.time())


def _request(tenant: str, call: Call, session: _Session) -> bytes:
    body = json.dumps(call.body).encode() if call.body is not None else b""
    lines = [
        f"{call.method} {call.path.replace('{id}', session.id or '')} HTTP/1.1",
        "Host: front",
        f"X-Tenant: {tenant}",
        f"Content-Length: {len(body)}",
        *(["Content-Type: application/json"] if body else []),
        *([f"Authorization: Bearer {session.token}"] if session.token else []),
        *([f"Idempotency-Key: {secrets.token_hex(16)}"] if call.method != "GET" else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _origin(answer: Answer | None) -> tuple[str | None, str | None]:
    headers = answer.headers if answer else {}
    return headers.get("x-orderdesk-version"), headers.get("x-orderdesk-digest")


def _failure(tenant: str, call: Call, due: float, answer: Answer | None, error: str) -> dict[str, Any]:
    version, digest = _origin(answer)
    return {
        "at": round(due, 3),
        "ended": round(time.time(), 3),
        "tenant": tenant,
        "method": call.method,
        "path": call.path,
        "status": answer.status if answer else None,
        "version": version,
        "digest": digest,
        "error": error,
    }


async def _run(plan: TrafficPlan, address: str, out: Path) -> None:
    with BoundedLines(out) as file:
        traffic = Traffic(plan, Connections(address), Recorder(file))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, traffic.stop)
        await traffic.run()


def main() -> None:
    parser = argparse.ArgumentParser(description="Requests of every tenant of the sandbox, at its own rate.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--front", metavar="HOST:PORT")
    where.add_argument("--socket", metavar="PATH")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON lines are appended")
    given = parser.parse_args()
    asyncio.run(_run(TrafficPlan.load(given.plan), given.front or given.socket, given.out))


if __name__ == "__main__":
    main()
