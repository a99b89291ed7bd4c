"""`inbox list` and what `receiver` says before it listens."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stationmaster.cli.inbox import app, list_
from stationmaster.cli.receiver import receiver
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.domain.deliveries import MergedChange, understood
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.errors import Exit, InputError
from stationmaster.domain.hooks import Hook
from stationmaster.ledger.faults import LedgerUnreachableError
from stationmaster.ledger.inbox import Delivery, Inbox
from tests.hook_deliveries import body_of, github, merged

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
HOOK = Hook.model_validate({"host": "github", "product": "shop", "secret": "x", "base": ["master"]})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "receiver.yaml"
    hook = "{host: github, product: shop, secret: x, base: [master]}"
    path.write_text(f"inbox: sqlite:///{tmp_path}/inbox.db\nhooks:\n  hub: {hook}\n")
    return path


def listed(config: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    capsys.readouterr()
    app(["list", "--config", str(config), *more], result_action="return_value")
    return capsys.readouterr().out


def fill(config: Path) -> MergedChange:
    change = understood(HOOK, github(b""), body_of(merged(7)))
    assert isinstance(change, MergedChange)
    with Inbox.open(f"sqlite:///{config.parent}/inbox.db") as inbox:
        inbox.accept([Delivery("hub", "d-7", change)], AT)
        inbox.count({("hub", "signature"): 2, ("", "unknown_hook"): 1}, AT)
    return change


def test_an_empty_inbox_says_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(config, capsys) == "the inbox is empty\n"
    assert json.loads(listed(config, capsys, "--json")) == {"changes": [], "counts": []}


def test_it_lists_changes_and_what_was_not_accepted(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = fill(config)
    told = listed(config, capsys).splitlines()
    assert told[1].split() == [change.key, "master", "Codertocat", "2026-11-23T08:00:00Z", "waits"]
    assert [line.split() for line in told[4:]] == [
        ["-", "unknown_hook", "1", "2026-11-23T08:00:00Z"],
        ["hub", "signature", "2", "2026-11-23T08:00:00Z"],
    ]


def test_with_json_it_is_one_object_that_tells_all(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = fill(config)
    out = listed(config, capsys, "--json")
    assert out.count("\n") == 1
    (shown,) = json.loads(out)["changes"]
    assert shown == {
        "change": change.key, "id": 1, "hook": "hub", "delivery": "d-7", "accepted_at": "2026-11-23T08:00:00Z",
        "boarded_at": None, "product": "shop", "host": "github", "repository": "Codertocat/Hello-World", "number": 7,
        "title": change.title, "author": "Codertocat", "base": "master", "head": "changes",
        "merge_commit": change.merge_commit, "merged_at": "2026-11-20T14:31:08Z", "url": change.url, "labels": ["bug"],
        "became": "waits", "release": None, "fragment": None, "proposal": None, "trouble": None,
    }  # fmt: skip


def test_a_wrong_file_ends_both_before_anything_is_done(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace("product:", "prodcut:"))
    for command in (receiver, list_):
        with pytest.raises(DocumentError, match="prodcut") as caught:
            command(config=str(config))
        assert (caught.value.exit, caught.value.line) == (Exit.INPUT, 3)
    with pytest.raises(InputError, match="cannot be read"):
        receiver(config=str(tmp_path / "none.yaml"))


def test_a_receiver_whose_inbox_is_away_does_not_begin(config: Path) -> None:
    config.write_text(config.read_text().replace(f"{config.parent}/inbox.db", "/nowhere/inbox.db"))
    with pytest.raises(LedgerUnreachableError):
        receiver(config=str(config), port=0)


def test_without_a_file_it_is_that_of_the_stack_here(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))
    with pytest.raises(InputError, match="no receiver's file is known here") as none:
        app(["list"], result_action="return_value")
    assert "--config" in str(none.value.hint)
    change = fill(config)
    stack = {"prefect_ui": "http://127.0.0.1:1", "prefect_auth": "", "supervisor": "", "run": str(config.parent)}
    Descriptor(**stack).save()
    capsys.readouterr()
    app(["list", "--json"], result_action="return_value")
    assert [one["change"] for one in json.loads(capsys.readouterr().out)["changes"]] == [change.key]
