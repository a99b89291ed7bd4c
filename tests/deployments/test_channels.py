"""Approvals through Slack and GitHub, from a signed delivery to what the ledger says of it and what people are told."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from stationmaster.deployments.channels import Channels
from stationmaster.deployments.receiver import create_app
from stationmaster.domain.channel import button
from stationmaster.domain.confirming import asked_digest
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.hooks import Hook, SlackApp
from stationmaster.ledger.inbox import Inbox
from tests.channel_world import lent, mandate, with_accounts
from tests.hook_deliveries import NOW, SECRET, body_of, form_of, github, pressed, reviewed, slack
from tests.world import World, world

OTHER = f"sha256:{'b' * 64}"
HOOK: dict[str, Any] = {"host": "github", "product": "shop", "secret": SECRET, "environment": "production"}


@dataclass
class Office:
    """A receiver for Slack and GitHub in this process, over a world whose release r2 waits for an approval."""

    world: World
    app: Starlette
    runner: asyncio.Runner

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return self.runner.run(self._post(path, body, headers))

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            return await client.post(path, content=body, headers=headers)

    def press(self, by: str, digest: str, release: str = "r2", action: Any = "deploy") -> str:
        """Somebody presses a button; what they are told."""
        (element,) = button(action, release, digest, "Approve")["elements"]
        body = form_of(pressed(by, element["value"], element["action_id"]))
        answer = self.post("/slack/shop", body, slack(body))
        assert (answer.status_code, answer.json()["response_type"]) == (200, "ephemeral"), answer.text
        return str(answer.json()["text"])

    def review(self, by: str, comment: str, hook: str = "shop") -> dict[str, Any]:
        body = body_of(reviewed(by, comment, "production"))
        answer = self.post(f"/hooks/{hook}", body, github(body, event="deployment_review"))
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def steps(self, release: str = "r2") -> list[str]:
        return [step for step, _ in self.world.steps(release) if step in {"approval", "refused", "confirmed"}][1:]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with world() as made, Inbox.open(f"sqlite:///{tmp_path}/inbox.db") as inbox, asyncio.Runner() as runner:
        with_accounts(made).start()
        hooks = {"shop": HOOK, "plain": {**HOOK, "environment": None}, "other": {**HOOK, "product": "other"}}
        app = create_app(
            {name: Hook.model_validate(hook) for name, hook in hooks.items()},
            dict.fromkeys(hooks, SecretStr(SECRET)), inbox, lambda: NOW,
            channels=Channels(
                {"shop": SlackApp.model_validate({"product": "shop", "secret": SECRET})},
                {"shop": SecretStr(SECRET)}, lambda _product: lent(made),
            ),
        )  # fmt: skip
        with ExitStack() as ends:
            lifespan = app.router.lifespan_context(app)
            runner.run(_entered(lifespan))
            ends.callback(lambda: runner.run(lifespan.__aexit__(None, None, None)))
            yield Office(made, app, runner)


async def _entered(lifespan: Any) -> None:
    await lifespan.__aenter__()


def test_a_button_approves_for_the_person_whose_account_pressed_it(office: Office) -> None:
    assert office.press("U0BEN", mandate(office.world)) == "it counts: r2 is approved"
    entry = office.world.last("approval")
    assert entry.subject.startswith("slack:")
    assert (entry.fact["assurance"], entry.fact["channel"], entry.fact["mandate"]) == (
        "attested_by_channel", "slack", mandate(office.world),
    )  # fmt: skip
    assert "U0BEN" not in entry.canonical().decode()  # who it was may be erased
    assert (office.world.ledger.personal(entry) or {})["by"] == "U0BEN"
    assert office.world.start().name == "Released"


def test_what_became_of_a_press_is_said_in_the_thread_of_the_message(office: Office) -> None:
    said = office.press("U0BEN", mandate(office.world))
    office.press("U0BEN", mandate(office.world))
    replies = [
        text for (_key, thread), (_ts, text) in office.world.chat.messages.items() if thread == "1795420800.000100"
    ]
    assert replies == [said]  # pressed twice, told once
    assert office.steps() == ["approval"]


def test_a_chat_that_is_away_takes_no_approval_back(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.world.chat.go_away()
    assert office.press("U0BEN", mandate(office.world)) == "it counts: r2 is approved"
    assert "no reply in the chat" in caplog.text


@pytest.mark.parametrize(
    ("by", "rule", "words"),
    [
        ("U0STRANGER", "unknown_key", "who approved in slack is nobody in approvers.yaml"),
        ("ben", "unknown_key", "nobody in approvers.yaml"),  # an id is no account
        ("U0ANA", "starter", "who starts a release cannot approve it"),
    ],
)
def test_who_may_not_is_told_by_which_rule_and_it_is_on_record(office: Office, by: str, rule: str, words: str) -> None:
    said = office.press(by, mandate(office.world))
    assert words in said
    assert f"({rule}); it does not count, and is on record" in said
    assert office.steps() == ["approval", "refused"]
    assert office.world.last("refused").fact["rule"] == rule


def test_a_mandate_that_was_asked_for_before_is_told_as_such(office: Office) -> None:
    before = mandate(office.world)
    tenants = office.world.directory.read_text()
    office.world.directory.write_text(tenants.replace("name: Birch, ring: broad", "name: Birch, ring: pilot"))
    office.world.start()
    assert mandate(office.world) != before
    assert "(superseded); it does not count" in office.press("U0BEN", before)
    assert office.press("U0BEN", mandate(office.world)) == "it counts: r2 is approved"


def test_a_mandate_that_nobody_asked_for_leaves_nothing_on_record(office: Office) -> None:
    for digest, release in ((OTHER, "r2"), (mandate(office.world), "r9")):
        said = office.press("U0BEN", digest, release)
        assert "no release of shop asks for sha256:" in said
        assert said.endswith("nothing was recorded")
    assert office.steps() == []


def test_a_release_that_is_over_is_approved_by_nobody(office: Office) -> None:
    office.world.abort()
    assert office.press("U0BEN", mandate(office.world)) == "r2 is aborted; nothing was recorded"
    assert office.steps() == []


def test_what_the_service_may_not_say_does_not_count(office: Office) -> None:
    with_accounts(office.world, predicates=())
    said = office.press("U0BEN", mandate(office.world))
    assert "(service_account); it does not count" in said


def test_a_press_that_is_not_signed_or_old_is_refused_and_leaves_nothing(office: Office) -> None:
    (element,) = button("deploy", "r2", mandate(office.world), "Approve")["elements"]
    body = form_of(pressed("U0BEN", element["value"]))
    old = NOW.replace(hour=7)
    for headers in (slack(body, "another secret"), slack(body, at=old), {"content-type": "application/json"}):
        answer = office.post("/slack/shop", body, headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "signature")
    answer = office.post("/slack/shop", body + b"&a=1", slack(body))
    assert answer.status_code == 401
    assert office.post("/slack/nobody", body, slack(body)).status_code == 404
    assert office.post("/slack/shop", b"{}", slack(b"{}")).json()["error"]["code"] == "delivery"
    typed = slack(body) | {"content-type": "application/json"}
    assert office.post("/slack/shop", body, typed).status_code == 415
    assert office.steps() == []


def test_another_button_of_the_app_is_ignored(office: Office) -> None:
    body = form_of(pressed("U0BEN", "x", "theirs"))
    answer = office.post("/slack/shop", body, slack(body))
    assert (answer.status_code, answer.json()["accepted"]) == (202, False)


def test_a_deployment_review_whose_comment_names_the_mandate_approves(office: Office) -> None:
    told = office.review("ben-hub", f"ship it: {mandate(office.world)}")
    assert told == {"accepted": True, "release": "r2", "counts": True, "said": "it counts: r2 is approved"}
    entry = office.world.last("approval")
    assert (entry.fact["channel"], entry.fact["assurance"]) == ("github", "attested_by_channel")
    again = office.review("ben-hub", f"ship it: {mandate(office.world)}")
    assert (again["counts"], office.steps()) == (True, ["approval"])
    assert office.world.start().name == "Released"


def test_a_deployment_review_without_the_mandate_or_of_a_hook_without_environment_says_nothing(office: Office) -> None:
    assert office.review("ben-hub", "LGTM")["accepted"] is False
    assert "pull_request alone is needed" in office.review("ben-hub", mandate(office.world), "plain")["reason"]
    assert office.steps() == []


def test_the_approvers_of_another_product_say_nothing_of_this_one(office: Office) -> None:
    told = office.review("ben-hub", mandate(office.world), "other")
    assert (told["counts"], office.steps()) == (False, [])
    assert "no release of other asks for" in told["said"]


def test_one_person_counts_once_whichever_way_they_go(office: Office) -> None:
    office.review("ben-hub", mandate(office.world))
    assert "(same_person); it does not count" in office.press("U0BEN", mandate(office.world))
    office.world.approve(who="ben")
    rules = [entry.fact["rule"] for entry in office.world.ledger.entries("r2") if entry.step == "refused"]
    assert rules == ["same_person"]


def test_a_ledger_that_is_away_acknowledges_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Any:
        raise OutsideError("the ledger at postgresql://db.internal/x is away")

    digest = mandate(office.world)
    monkeypatch.setattr("stationmaster.deployments.channels.hear", away)
    body = body_of(reviewed("ben-hub", digest, "production"))
    answer = office.post("/hooks/shop", body, github(body, event="deployment_review"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_recorded")
    assert "db.internal" not in answer.text
    assert int(answer.headers["retry-after"]) > 0


def started(office: Office) -> str:
    """A start from the Prefect UI: nobody confirmed it. Its digest."""
    asked = {"product": "shop", "ref": "v2", "kind": "manual"}
    office.world.ledger.observe(office.world.draft("r3", "started", "r3", asked), office.world.clock.now())
    return asked_digest("r3", asked)


def test_a_start_is_confirmed_by_a_press_and_whoever_did_is_the_starter(office: Office) -> None:
    digest = started(office)
    assert office.press("U0STRANGER", digest, "r3", "confirm").endswith("nothing was recorded")
    assert office.press("U0BEN", digest, "r3", "confirm") == "ben wants r3, and so cannot approve it"
    entry = office.world.last("confirmed", "r3")
    assert entry.fact["assurance"] == "attested_by_channel"
    assert (office.world.ledger.personal(entry) or {})["who"] == "ben"
    assert "was confirmed before" in office.press("U0ANA", digest, "r3", "confirm")


def test_an_approval_is_no_confirmation_and_the_other_way_round(office: Office) -> None:
    digest = started(office)
    assert office.press("U0BEN", digest, "r3", "deploy").endswith("nothing was recorded")
    assert office.press("U0BEN", mandate(office.world), "r2", "confirm").endswith("nothing was recorded")
    assert office.review("ben-hub", digest)["said"] == "ben wants r3, and so cannot approve it"


def test_nothing_of_a_payload_is_an_address_that_is_called(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    monkeypatch.setattr(httpx.Client, "send", lambda *a, **_: called.append(a))
    office.press("U0BEN", mandate(office.world))
    assert called == []
    assert "response_url" in json.dumps(pressed("U0BEN", "x"))
