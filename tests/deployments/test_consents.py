"""The page for a tenant's contacts in this process: who may answer, what is kept, and what a stranger is told."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette

from stationmaster.blocks.bundling import make
from stationmaster.blocks.consenting import question
from stationmaster.blocks.hooks import read_receiver
from stationmaster.blocks.signer import sign_with
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.deployments import consents
from stationmaster.deployments.consents import ConsentDesk
from stationmaster.deployments.receiver_openapi import document
from stationmaster.domain.consent_link import Link, claimed, contact_digest, token
from stationmaster.domain.container import unpack
from stationmaster.domain.entries import Draft, canonical, digest
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.fragments import Fragment
from tests.shop import OPEN, TENANTS
from tests.world import World, world

CONTACT = "it@acme.example"
YES, NO = "answer=agree", "answer=decline"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass
class Door:
    """The page over a world in which acme is asked about r2."""

    world: World
    desk: ConsentDesk
    runner: asyncio.Runner

    def link(self, **other: Any) -> str:
        asked = question(self.world.ledger, self.world.tools.tenants, "r2", "acme", self.world.clock.now())
        known = {
            "product": "shop", "release": "r2", "tenant": "acme", "contact": contact_digest("acme", CONTACT),
            "digest": asked.digest, "expires": asked.standing.until,
        }  # fmt: skip
        return token(self.world.tools.signer.sign(Link.model_validate({**known, **other}).statement()))

    def get(self, given: str, method: str = "GET", **how: Any) -> httpx.Response:
        return self.runner.run(self._send(method, f"/consent/{given}", **how))

    def post(self, given: str, body: str = YES, **headers: str) -> httpx.Response:
        return self.get(given, "POST", content=body, headers={**FORM, **headers})

    async def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        app = Starlette(routes=self.desk.routes())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as client:
            answer = await client.request(method, path, **how)
        told = document()["paths"]["/consent/{token}"]["post" if method == "POST" else "get"]["responses"]
        assert str(answer.status_code) in told
        return answer

    def words(self) -> list[str]:
        return [step for step, _ in self.world.steps() if step in {"consented", "declined"}]


@pytest.fixture
def door() -> Iterator[Door]:
    with world() as made, asyncio.Runner() as runner:
        said = f"approval: {{contacts: [{CONTACT}], within: 2d}}"
        lines = [line.replace(OPEN, f"{OPEN}, {said}") if "acme" in line else line for line in TENANTS.splitlines()]
        made.directory.write_text("\n".join(lines))
        made.start()

        def tools(_product: str) -> AbstractContextManager[Toolbox]:
            return nullcontext(made.tools)

        desk = ConsentDesk(("shop",), made.clock.now, lambda _: made.tools.signer.public_key(), tools)
        yield Door(made, desk, runner)


def test_to_look_changes_nothing_and_says_what_comes(door: Door) -> None:
    before = door.world.ledger.entries()
    for method in ("GET", "HEAD", "GET"):
        answer = door.get(door.link(), method)
        assert answer.status_code == 200
    assert "shop 2" in answer.text
    assert "What v2 brings." in answer.text
    assert "Acme" in answer.text
    assert not {"birch", "Birch", "cedar", "Cedar"} & set(answer.text.split())
    assert door.world.ledger.entries() == before


@pytest.mark.parametrize("named", ["Birch\nline2", "a former-one was", "tenant_cedarwood", "at site-of-birch-7"])
def test_the_page_shows_no_change_that_names_another_of_the_directory_or_the_ledger(door: Door, named: str) -> None:
    ledger, at = door.world.ledger, door.world.clock.now()
    left = Draft(release="r0", step="skipped", subject="former-one", fact={"reason": "moved away"})
    ledger.append(left, at)
    told = Fragment("1", "added", f"What v2 brings. For {named}.")
    with patch.object(consents, "read_fragments", lambda *_: (told,)):
        text = door.get(door.link()).text
    assert ("What v2 brings." in text) is (named == "tenant_cedarwood")
    assert ("names another customer" in text) is (named != "tenant_cedarwood")


def test_every_answer_forbids_scripts_caches_frames_and_referrers(door: Door) -> None:
    for answer in (door.get(door.link()), door.get("x.y"), door.post(door.link()), door.post(door.link(), "x")):
        headers = answer.headers
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        found = [headers[name] for name in ("cache-control", "referrer-policy", "x-content-type-options")]
        assert found == ["no-store", "no-referrer", "nosniff"]
        assert "<script" not in answer.text


def test_an_answer_is_kept_once_and_may_be_changed(door: Door) -> None:
    link = door.link()
    for _ in range(2):
        answer = door.post(link)
        assert (answer.status_code, answer.headers["location"]) == (303, link)
    assert "You agreed to this release." in door.get(link).text
    door.post(link, NO)
    assert "You did not agree" in door.get(link).text
    assert door.words() == ["consented", "declined"]
    entry = door.world.last("consented")
    assert (entry.subject, entry.fact["by"]) == ("acme", "by link")
    assert entry.fact["proof"] == digest(link.encode())
    assert door.world.ledger.personal(entry) == {"who": CONTACT}


def test_evidence_of_an_answer_does_not_hand_out_the_right_to_answer(door: Door) -> None:
    link = door.link()
    statement, signature = link.split(".")
    door.post(link)
    kept = door.world.ledger.sealed(door.world.last("consented")) or b""
    evidence = [kept, *unpack(make(door.world.tools, "r2").raw).values()]
    assert CONTACT.encode() in kept
    assert not any(part.encode() in content for content in evidence for part in (statement, signature))


def test_what_was_agreed_to_on_the_page_goes_out(door: Door) -> None:
    door.post(door.link())
    door.world.start()
    door.world.approve()
    assert door.world.start().name == "Released"
    assert door.world.production()["acme"] == "2"


def test_strangers_are_told_nothing(door: Door) -> None:
    asked = door.link()
    own = Ed25519PrivateKey.generate()
    payload = claimed(asked).statement()
    never = json.loads(payload)
    never["predicate"]["expires"] = "9999-12-31T23:59:59-23:00"
    strange = [
        "x", "a.b", asked[:-2], asked + "x", asked.swapcase(), "é", "x" * 5_000,
        token(sign_with(own, payload)), token(sign_with(own, canonical(never))), door.link(product="other"),
    ]  # fmt: skip
    texts = set()
    for given in strange:
        for answer in (door.get(given), door.post(given)):
            assert answer.status_code == 404
            texts.add(answer.text)
    assert len(texts) == 1
    assert "shop" not in texts.pop()
    assert door.words() == []


def test_a_product_that_is_not_served_here_is_not_even_asked_for_its_key(door: Door) -> None:
    door.desk.key = lambda _: 1 / 0  # type: ignore[assignment,return-value]
    assert door.get(door.link(product="other")).status_code == 404


@pytest.mark.parametrize(
    "other", [{"contact": contact_digest("acme", "gone@acme.example")}, {"digest": "sha256:" + "0" * 64}]
)
def test_a_link_for_somebody_or_something_else_answers_nothing(door: Door, other: dict[str, str]) -> None:
    for answer in (door.get(door.link(**other)), door.post(door.link(**other))):
        assert answer.status_code == 410
    assert door.words() == []


def test_a_link_is_over_with_the_time_of_its_tenant(door: Door) -> None:
    link = door.link()
    door.world.clock.sleep(2 * 86_400)
    for answer in (door.get(link), door.post(link), door.post(link, NO)):
        assert (answer.status_code, "This link is over" in answer.text) == (410, True)
    assert door.words() == []


def test_a_shorter_contract_counts_also_for_links_that_last_longer(door: Door) -> None:
    link = door.link()
    door.world.directory.write_text(door.world.directory.read_text().replace("within: 2d", "within: 1h"))
    door.world.clock.sleep(7_200)
    assert door.post(link).status_code == 410
    assert door.words() == []


@pytest.mark.parametrize("why", ["aborted", "no contract", "no tenant"])
def test_what_nobody_asks_any_more_is_answered_by_nobody(door: Door, why: str) -> None:
    link = door.link()
    if why == "aborted":
        door.world.abort()
    else:
        text = TENANTS if why == "no contract" else "\n".join(TENANTS.splitlines()[:1] + TENANTS.splitlines()[2:])
        door.world.directory.write_text(text)
    for answer in (door.get(link), door.post(link)):
        assert answer.status_code == 410
    assert door.words() == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("", {}, 400), ("answer=perhaps", {}, 400), ("answer=agree&answer=decline", {}, 400), ("agree", {}, 400),
        ("answer=agree&more=1", {}, 400), ("answer=%ff", {}, 400), ("é=1", {}, 400), (YES + "&" * 9_000, {}, 400),
        (YES, {"content-type": "application/json"}, 400), (YES, {"content-type": ""}, 400),
        (YES, {"content-length": str(1 << 30)}, 413),
    ],
)  # fmt: skip
def test_what_is_no_answer_counts_as_none(door: Door, body: str, headers: dict[str, str], status: int) -> None:
    assert door.post(door.link(), body, **headers).status_code == status
    assert door.words() == []


def test_what_is_away_is_said_without_its_address_and_changes_nothing(door: Door) -> None:
    def away(_product: str) -> AbstractContextManager[Toolbox]:
        raise OutsideError("postgresql://db.internal is away")

    link = door.link()
    door.desk.tools = away
    for answer in (door.get(link), door.post(link)):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "db.internal" not in answer.text


def test_too_many_at_once_are_told_to_come_again(door: Door) -> None:
    link = door.link()
    door.desk.asked = 16
    assert door.get(link).status_code == 503
    door.desk.asked = 0
    assert door.get(link).status_code == 200
    assert door.desk.asked == 0


def test_what_does_not_end_in_time_is_not_waited_for_and_keeps_its_place(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hangs(_product: str) -> AbstractContextManager[Toolbox]:
        over.wait(10)
        raise OutsideError("late")

    link = door.link()
    monkeypatch.setattr(consents, "_PATIENCE", 0.05)
    door.desk.tools = hangs
    assert door.get(link).status_code == 503
    assert door.desk.asked == 1
    over.set()


def test_the_receivers_file_names_whose_contacts_answer_here(tmp_path: Path) -> None:
    path = tmp_path / "receiver.yaml"
    path.write_text("inbox: sqlite://\nhooks: {hub: {host: github, product: shop, secret: x}}\nconsents: [shop]\n")
    assert read_receiver(str(path)).value.consents == ("shop",)
