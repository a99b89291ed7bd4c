"""The receiver's page for a tenant's contacts: /consent/TOKEN shows what comes and takes the answer.

To look changes nothing: mailboxes follow links. Only a POST answers, and only with a token that our key made. Whoever
has none is told nothing, not even which products there are.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from stationmaster.blocks.carried import recalled
from stationmaster.blocks.consenting import NotAskedError, Question, TimeOverError, answer, question
from stationmaster.blocks.others import others_of
from stationmaster.blocks.toolbox import Toolbox, recall, remembered
from stationmaster.deployments.request_body import (
    Bodies,
    BodyCutError,
    BodyTooLargeError,
    BodyTooSlowError,
    NoRoomError,
)
from stationmaster.domain.consent_link import ForeignLinkError, Link, LinkOverError, claimed, opened
from stationmaster.domain.consent_page import Asked, notice, page, policy
from stationmaster.domain.entries import digest
from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.domain.fragments import Fragment, read_fragments

PATH = "/consent/{token}"
_LONGEST = 1_024  # bytes of an answer; ours have 12
_TOGETHER = 16  # that are asked at once; git and a database are behind each
_THREADS = 4  # of our own, so that what hangs there keeps no delivery out of the inbox
_PATIENCE = 20.0  # seconds
_ANSWERS = {"agree": True, "decline": False}
_HEADERS = {
    "Content-Security-Policy": policy(),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address is the right to answer
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


@contextmanager
def tools_of(product: str) -> Iterator[Toolbox]:
    """The tools of a product from their last good copies, for one question."""
    tools = remembered(product)
    with tools.ledger:
        yield tools


def key_of(product: str) -> bytes:
    """The public key by which links of a product are known."""
    raw: bytes = recall("signer", product).public_key()
    return raw


@dataclass
class ConsentDesk:
    """What a contact's request meets. `key` and `tools` are of a product, one of `products`."""

    products: Collection[str]
    now: Callable[[], datetime]
    key: Callable[[str], bytes] = key_of
    tools: Callable[[str], AbstractContextManager[Toolbox]] = tools_of
    bodies: Bodies = field(default_factory=Bodies)
    asked: int = 0
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS, "consent"))

    def routes(self) -> list[Route]:
        return [Route(PATH, self.show), Route(PATH, self.take, methods=["POST"])]

    async def show(self, request: Request) -> Response:
        """GET: the question."""
        return await self._aside(lambda: self._shown(request.path_params["token"]))

    async def take(self, request: Request) -> Response:
        """POST: the answer. Who sends it twice has said it once."""
        try:
            async with self.bodies.of(request) as body:
                agrees = _agrees(request, body)
        except (BodyTooLargeError, BodyTooSlowError, BodyCutError, NoRoomError) as error:
            return _READING[type(error)]
        if agrees is None:
            return _said(400, "This is no answer", "Open the link again and choose one of the two.")
        return await self._aside(lambda: self._taken(request.path_params["token"], agrees=agrees))

    async def _aside(self, work: Callable[[], Response]) -> Response:
        """In a thread of ours; what does not end in time is told so, and its place is free when it has ended."""
        if self.asked >= _TOGETHER:
            return _busy()
        self.asked += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, _polite(work))
        running.add_done_callback(lambda _: self._left())
        try:
            return await asyncio.wait_for(asyncio.shield(running), _PATIENCE)
        except TimeoutError:
            return _busy()

    def _left(self) -> None:
        self.asked -= 1

    def _shown(self, token: str) -> Response:
        link = self._opened(token)
        with self.tools(link.product) as tools:
            asked, _ = _question(tools, link, self.now())
            shown = Asked(
                link.product,
                asked.release,
                asked.version,
                asked.tenant,
                asked.standing,
                _fragments(tools, link),
                others_of(tools, link.tenant),
            )
            return HTMLResponse(page(shown), headers=_HEADERS)

    def _taken(self, token: str, *, agrees: bool) -> Response:
        link = self._opened(token)
        with self.tools(link.product) as tools:
            asked, contact = _question(tools, link, self.now())
            answer(
                tools.ledger, asked, agrees=agrees, contact=contact, by="by link", proof=digest(token.encode()),
                at=self.now(), reason="said on the page", personal={},  # never the token: evidence is handed out
            )  # fmt: skip
        return RedirectResponse(token, 303, _HEADERS)

    def _opened(self, token: str) -> Link:
        """The link, proved before anything else is asked for it."""
        product = claimed(token).product
        if product not in self.products:
            raise ForeignLinkError
        return opened(token, self.key(product), self.now())


def _question(tools: Toolbox, link: Link, at: datetime) -> tuple[Question, str]:
    """What is asked by the link, and of whom.

    Raises:
        NotAskedError: nobody asks that any more.
    """
    asked = question(tools.ledger, tools.tenants, link.release, link.tenant, at)
    contact = asked.holder(link)
    if contact is None:
        raise NotAskedError("this link is for somebody, or something, that is not asked any more")
    return asked, contact


def _fragments(tools: Toolbox, link: Link) -> tuple[Fragment, ...]:
    (cut,) = tools.ledger.about(link.release, ["cut"])
    this = recalled(tools.source, link.release, cut.fact)
    texts = {path: tools.source.read(this.commit.commit, path) for path in this.fragments}
    return read_fragments(texts, this.product.changes) if texts else ()


def _agrees(request: Request, body: bytes) -> bool | None:
    """The one answer that a form gives; None when it gives none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or len(body) > _LONGEST:
        return None
    try:
        given = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=2)
    except ValueError:
        return None
    words = given.get("answer", [])
    return _ANSWERS.get(words[0]) if len(words) == len(given) == 1 else None


def _polite(work: Callable[[], Response]) -> Callable[[], Response]:
    """Every error of ours as a page. What a stranger is told of it does not say where anything is."""

    def done() -> Response:
        try:
            return work()
        except ForeignLinkError:
            return _said(404, "There is nothing here", "Use the link as it was sent to you, whole.")
        except (LinkOverError, NotAskedError, TimeOverError) as error:
            return _said(410, "This link is over", f"Nothing can be answered here any more: {error.message}.")
        except OutsideError:
            return _busy()
        except StationmasterError:
            return _said(410, "This link is over", "What it asked for is not known any more.")

    return done


def _said(status: int, title: str, *lines: str, **headers: str) -> Response:
    return HTMLResponse(notice(title, *lines), status, {**_HEADERS, **headers})


def _busy() -> Response:
    return _said(503, "Not now", "Nothing was changed. Open the link again in a moment.", **{"Retry-After": "10"})


_READING = {
    BodyTooLargeError: _said(413, "This is no answer", "It is too long."),
    BodyTooSlowError: _said(408, "Not now", "The answer did not arrive. Open the link again."),
    BodyCutError: _said(400, "Not now", "The answer did not arrive. Open the link again."),
    NoRoomError: _busy(),
}
