"""A change record has what the entries of a release say, and nothing that they do not."""

from datetime import timedelta

import pytest

from stationmaster.domain.change_record import ChangeRecord
from stationmaster.domain.change_record_text import lasted, markdown, text
from stationmaster.domain.recounting import recount
from tests.accounts import BEGAN, KEY, MANDATE, NEW, Account, good


def of(account: Account, release: str = "r1") -> ChangeRecord:
    points = [entry for entry in account.entries if entry.step == "checkpointed"]
    return recount(account.of(release), personal=account.personal, past=account.past(), checkpoints=points)


def minute(entry: int) -> str:
    return f"{BEGAN + timedelta(minutes=entry):%Y-%m-%dT%H:%M:%SZ}"


def test_a_good_release_is_told_from_the_wish_to_the_end() -> None:
    account = good()
    record = of(account)
    assert (record.product, record.kind, record.stage, record.version) == ("shop", "train", "released", "2.0.0")
    assert (record.asked.who, record.asked.ref, record.tickets, record.digest()) == ("ana", "main", ("SHOP-7",), NEW)
    assert record.mandated is not None
    assert record.mandated.fact["digest"] == MANDATE
    assert [(one.by, one.who, one.refused) for one in record.approvals] == [(KEY, "ben", None)]
    assert [(one.instance, one.before, one.after) for one in record.migrations] == [
        ("cloud", ("1",), ("2",)), ("cedar", ("1",), ("2",)),
    ]  # fmt: skip
    assert [(one.tenant, one.until, one.seconds, one.ended_by) for one in record.tenants] == [
        (tenant, None, None, None) for tenant in ("acme", "birch", "cedar")
    ]
    assert record.ended is not None
    assert record.ended.step == "released"
    assert (record.position.first, record.position.last) == (3, account.entries[-1].index)


def test_a_release_that_was_only_asked_for_is_told_too() -> None:
    account = Account()
    account.tell("confirmed", {"product": "shop", "ref": "main", "kind": "manual", "assurance": "form"}, who="ana")
    record = of(account)
    assert (record.version, record.built, record.ended, record.tenants, record.tickets) == (None, None, None, (), ())
    said = text(record)
    assert "r1: shop (no version yet), requested" in said
    for line in ("not built", "not tested", "no quorum stands", "no tenant had it", "tickets: none linked"):
        assert line in said


def test_how_long_a_tenant_had_it_ends_with_the_rollback_or_with_what_came_after() -> None:
    account = good()
    account.go_back(tenants=("acme",))
    account.tell("deployed", {**account.past()["birch"][-1].fact, "digest": "sha256:other"}, "birch", "r2")
    account.tell("adopted", {**account.past()["cedar"][-1].fact, "digest": "sha256:third"}, "cedar", "look")
    stays = {stay.tenant: stay for stay in of(account).tenants}
    assert {name: stay.ended_by for name, stay in stays.items()} == {
        "acme": "rolled back", "birch": "r2", "cedar": "found otherwise",
    }  # fmt: skip
    assert stays["acme"].seconds == 60 * (account.past()["acme"][-1].index - stays["acme"].entry)
    assert of(account).now["acme"].version == "1.0.0"


def test_recorded_anew_it_is_one_stay_and_led_back_to_by_anothers_rollback_it_is_two() -> None:
    account = good()
    account.tell("deployed", {**account.past()["acme"][-1].fact, "colour": "a"}, "acme")
    assert [stay.tenant for stay in of(account).tenants] == ["acme", "birch", "cedar"]
    fact = account.past()["acme"][-1].fact
    account.tell("deployed", {**fact, "digest": "sha256:other"}, "acme", "r2")
    account.tell("rolled_back", fact, "acme", "r2")
    assert [(stay.tenant, stay.ended_by) for stay in of(account).tenants if stay.tenant == "acme"] == [
        ("acme", "r2"), ("acme", None),
    ]  # fmt: skip


def test_an_order_to_go_back_is_told_with_what_ended_it() -> None:
    account = good()
    account.go_back(tenants=("acme",))
    account.go_back()
    first, second = of(account).rollbacks
    assert (first.scope, first.ended, second.ended, second.bad_requests) == ("tenant", "contained", "restored", 9)
    order = account.tell("rollback", {**account.of()[-5].fact, "scope": "release", "cause": "person", "reason": "x"})
    assert (of(account).rollbacks[-1].entry, of(account).rollbacks[-1].ended) == (order.index, None)
    assert of(account).ended is None


def test_an_approval_that_was_refused_says_by_which_rule_and_an_erased_name_says_so() -> None:
    account = good()
    given = account.tell("approval", {"action": "deploy", "assurance": "signed"}, 64 * "2", who="ana")
    account.tell("refused", {"entry": given.index, "rule": "starter"}, 64 * "2")
    del account.personal[given.index]
    refused = of(account).approvals[-1]
    assert (refused.refused, refused.who, refused.erased) == ("starter", None, True)
    assert f"deploy by somebody whose name was erased with {64 * '2'}, signed, refused: starter" in text(of(account))


def test_a_quorum_that_a_new_mandate_undid_does_not_stand() -> None:
    account = Account()
    account.approve()
    assert of(account).approved is not None
    account.tell("mandated", {"digest": NEW, "ends": "2026-12-01T00:00:00Z"})
    assert of(account).approved is None
    assert "no quorum stands" in text(of(account))


def test_an_emergency_counts_unless_it_was_refused_or_a_quorum_did_without() -> None:
    account = Account()
    account.tell("started", {"product": "shop", "ref": "main", "kind": "hotfix"})
    fact = {"action": "emergency", "assurance": "signed", "reason": "down", "ticket": "INC-1"}
    given = account.tell("approval", fact, 64 * "2", who="ana")
    assert of(account).emergency
    assert "emergency (INC-1: down) by ana" in text(of(account))
    account.tell("reviewed", {"entry": given.index, "verdict": "justified", "reason": "seen"}, who="ben")
    assert "reviewed: justified, seen" in text(of(account))
    account.tell("refused", {"entry": given.index, "rule": "role"}, 64 * "2")
    assert not of(account).emergency
    assert not of(good()).emergency


def test_a_migration_that_never_ended_is_told_as_such() -> None:
    account = Account()
    account.approve()
    account.tell("expanding", {"before": ["1"]}, "cloud")
    account.tell("failed", {"step": "expand", "message": "lock timeout"})
    record = of(account)
    assert [(one.instance, one.after) for one in record.migrations] == [("cloud", None)]
    assert "database cloud: from 1, not known to have ended" in text(record)
    assert "failed: lock timeout" in text(record)


def test_the_first_checkpoint_that_covers_all_of_it_is_its_place() -> None:
    account = good()
    last = account.entries[-1].index
    assert "no checkpoint covers all of them yet" in text(of(account))
    for size in (last, last + 1, last + 2):
        account.tell("checkpointed", {"size": size, "root": f"sha256:{size}", "places": []}, "shop", "log")
    point = of(account).position.checkpoint
    assert point is not None
    assert (point["size"], point["root"]) == (last + 1, f"sha256:{last + 1}")


def test_the_page_has_a_line_for_everything_that_is_known() -> None:
    account = Account()
    account.install()
    account.approve()
    account.deploy(gates=[{"gate": "env:production", "tickets": ["INC-2"]}])
    account.close()
    account.go_back()
    said = text(of(account))
    for words in (
        "by ana as train from main, confirmed by command line", "tickets: SHOP-7",
        "sbom: 12 parts, sha256:ddd", "secrets: clean", "Show what birch costs",
        "check smoke passed in 2.5 s, 40 tests, log", f"mandate {MANDATE}", "the quorum was met by release-approver",
        "pilot: env:production (INC-2)", "planned: pilot (1) at 2026-11-01T02:00:00Z → broad (2)",
        "acme on cloud for", "until rolled back", "pilot: promote, 0 of 40 were bad",
        "ordered for the release, breach: birch had 9 of 40 bad; restored", "9 bad requests",
    ):  # fmt: skip
        assert words in said


def test_what_people_wrote_moves_no_cursor_and_is_no_markup() -> None:
    account = Account()
    account.tell("started", {"product": "shop", "ref": "main", "kind": "manual"})
    account.tell("failed", {"step": "cut", "message": "\x1b[2Jgone\n# Head <b> [x](y) |"})
    said, page = text(of(account)), markdown(of(account))
    assert "\x1b" not in said
    assert "\\# Head \\<b\\> \\[x\\](y) \\|" in page
    assert [line for line in page.splitlines() if line.startswith("# ")] == ["# r1: shop (no version yet), failed"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (59, "59s"), (60, "1m"), (3661, "1h 1m"), (90_061, "1d 1h"), (86_405, "1d 5s")]
)
def test_a_time_is_said_in_its_two_largest_units(seconds: int, said: str) -> None:
    assert lasted(seconds) == said
