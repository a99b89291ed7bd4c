"""`release …` over a ledger: the objects of the contract, the exit codes, and what a person gets wrong."""

from datetime import UTC, datetime

import pytest

from stationmaster.blocks.holder import this_process
from stationmaster.domain.stages import WAY_STAGES
from tests.cli.conftest import DIGEST, Desk

STATUS = {"id", "version", "kind", "stage", "waiting_for", "until", "digest", "tenants", "entries"}


def test_status_is_the_object_of_the_contract(desk: Desk) -> None:
    desk.reach("planned")
    found = desk.run("release", "status", "r2", "--json")
    assert found.code == 0
    assert found.json == {
        "id": "r2", "version": "2.0.0", "kind": "manual", "stage": "planned", "waiting_for": None, "until": None,
        "digest": DIGEST, "tenants": {"acme": "1.0.0"}, "entries": 8,  # the last is the mandate of the plan
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "reached"),
    [("started", "requested"), ("cut", "cut"), ("deployed", "deploying"), ("released", "released")],
)
def test_status_at_each_stage_has_the_same_keys(desk: Desk, stage: str, reached: str) -> None:
    desk.reach(stage)
    found = desk.run("release", "status", "r2", "--json").json
    assert set(found) == STATUS
    assert found["stage"] == reached
    assert (found["digest"] is None) == (reached in {"requested", "cut"})
    assert desk.run("release", "status", "r2").out.startswith(f"r2  {found['version'] or ''}")


def test_list_is_every_release_oldest_first(desk: Desk) -> None:
    assert desk.run("release", "list", "--json").json == {"releases": []}
    desk.reach("released", "r1", "1.9.0")
    desk.reach("cut", "r2")
    found = desk.run("release", "list", "--json").json["releases"]
    assert [one["id"] for one in found] == ["r1", "r2"]
    assert all(set(one) == STATUS for one in found)
    lines = desk.run("release", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["release", "r1", "r2"]


@pytest.mark.parametrize("command", [("status",), ("why",), ("abort", "--reason", "x")])
def test_an_unknown_release_gets_the_nearest_name(desk: Desk, command: tuple[str, ...]) -> None:
    desk.reach("cut", "shop-2-0-0")
    desk.run("release", command[0], "shop-2-0-1", *command[1:], "--json").refused(
        2, "unknown_release", "did you mean 'shop-2-0-0'?"
    )
    desk.run("release", command[0], "zzz", *command[1:], "--json").refused(2, "unknown_release", "shop-2-0-0")


def test_why_names_the_one_thing_and_the_command(desk: Desk) -> None:
    desk.reach("planned")
    waiting = {"for": "approval", "until": None, "message": "r2 waits for 1 more release-approver", "hint": None}
    desk.write("waiting", waiting)
    found = desk.run("release", "why", "r2", "--json").json
    assert found["command"] == "stationmaster approve r2 --key FILE"
    assert "1 more release-approver" in found["message"]
    assert desk.run("release", "status", "r2", "--json").json["waiting_for"] == "approval"


@pytest.mark.parametrize("stage", [*WAY_STAGES, "released"])
def test_why_answers_at_every_stage(desk: Desk, stage: str) -> None:
    desk.reach({"requested": "started", "deploying": "deployed"}.get(stage, stage))
    found = desk.run("release", "why", "r2", "--json")
    assert found.code == 0
    assert found.json["message"]
    assert (found.json["command"] is None) == (stage == "released")


def test_why_of_a_held_a_failed_and_an_aborted_release(desk: Desk) -> None:
    desk.reach("deployed", "held")
    desk.write("held", {"verdict": "rollback", "cause": "breach", "message": "9 of 20 were bad"}, "pilot", "held")
    assert "9 of 20 were bad" in desk.run("release", "why", "held").out
    desk.reach("cut", "failed")
    broke = {"step": "build", "code": "guest_failed", "message": "make: no rule", "hint": "the whole log: l"}
    desk.write("failed", broke, "", "failed")
    assert "Step build failed: make: no rule (the whole log: l)" in desk.run("release", "why", "failed").out
    desk.run("release", "abort", "failed", "--reason", "it never will")
    assert desk.run("release", "why", "failed", "--json").json["command"] is None


def test_a_release_whose_process_died_says_so_and_one_at_work_says_by_whom(desk: Desk) -> None:
    desk.reach("deployed")
    now = datetime.now(UTC)
    dead = desk.run("release", "why", "r2", "--json").json
    assert "nobody works on it" in dead["message"]
    assert dead["command"] == "stationmaster release start r2"
    lease = desk.ledger.take_lease("r2", this_process("flow run 7"), now)
    alive = desk.run("release", "why", "r2", "--json").json
    assert "flow run 7" in alive["message"]
    assert alive["command"] is None
    desk.ledger.give_back(lease)
    gone = this_process("flow run 8").replace(" since ", " since 1")  # that number belongs to another process now
    desk.ledger.take_lease("r2", gone, now)
    assert "nobody works on it" in desk.run("release", "why", "r2", "--json").json["message"]


def test_abort_is_recorded_once_with_who_and_why(desk: Desk) -> None:
    desk.reach("planned")
    found = desk.run("release", "abort", "r2", "--reason", "breaks orders", "--json")
    assert (found.code, found.json["stage"]) == (0, "aborted")
    entry = desk.ledger.entries("r2")[-1]
    assert entry.fact == {"reason": "breaks orders"}
    assert desk.ledger.personal(entry) == {"who": "ana"}
    again = desk.run("release", "abort", "r2", "--reason", "again", "--json")
    assert (again.code, again.json) == (0, found.json)


def test_an_abort_whose_tenants_cannot_be_led_back_says_so_and_is_recorded(desk: Desk) -> None:
    desk.reach("deployed")
    for _ in range(2):  # safe to repeat
        found = desk.run("release", "abort", "r2", "--reason", "breaks orders", "--json")
        found.refused(3, "routes_not_back", "r2 is aborted", "the same command again")
    assert desk.run("release", "status", "r2", "--json").json["stage"] == "aborted"
    assert [entry.step for entry in desk.ledger.entries("r2")].count("aborted") == 1


def test_abort_needs_a_reason_and_something_that_is_open(desk: Desk) -> None:
    desk.reach("released")
    desk.run("release", "abort", "r2", "--reason", "late", "--json").refused(1, "released_already")
    desk.run("release", "abort", "r2", "--reason", " ", "--json").refused(2, "input", "reason")
    desk.run("release", "abort", "r2", "--json").refused(2, "usage", "--reason", "stationmaster release abort --help")


def test_plan_tells_what_would_change_and_touches_nothing(desk: Desk) -> None:
    before = desk.ledger.entries()
    found = desk.run("release", "plan", "--ref", "v2.0.0", "--json")
    assert found.code == 0
    told = found.json
    assert (told["version"], told["commit"]) == ("2.0.0", desk.commits["v2.0.0"])
    assert [change["subject"] for change in told["changes"]] == ["Make v2.0.0"]
    assert told["fragments"] == ["changes/v2.0.0.md"]
    assert [wave["ring"] for wave in told["waves"]] == ["pilot", "broad"]
    assert told["approvals"] == {"release-approver": 1}
    assert told["windows_closed"] == {}
    assert desk.ledger.entries() == before
    assert "wave        pilot: acme" in desk.run("release", "plan", "--ref", "v2.0.0").out


def test_plan_tells_what_a_schema_change_will_take_where_its_commit_was_rehearsed(desk: Desk) -> None:
    told = desk.run("release", "plan", "--ref", "v2.0.0", "--json").json["schema"]
    assert told[0].startswith("not rehearsed: nobody knows how long it takes")
    assert "only a restore of the backup leads back" in told[1]
    estimate = {
        "from": ["e1"], "to": ["e2"], "at": "2026-11-23T08:00:00Z", "rows": {"orders": 2_000_000}, "up_ms": 4000.0,
        "undone": ["e2"], "down_ms": 3.0, "again_ms": 3900.0,
    }  # fmt: skip
    desk.reach("tested")
    desk.write("rehearsed", {"estimates": [estimate], "pairs": []})
    told = desk.run("release", "plan", "--ref", "v2.0.0", "--json").json["schema"]
    assert told[0] == "rehearsed from e1 to e2 on 2,000,000 rows of orders (generated): up in 4.0 s"


def test_plan_of_what_runs_already_moves_nobody(desk: Desk) -> None:
    told = desk.run("release", "plan", "--ref", "v1.0.0", "--json").json
    assert (told["waves"], told["changes"], told["fragments"]) == ([], [], [])
    desk.run("release", "plan", "--ref", "v2.0.1", "--json").refused(2, "unknown_ref", "v2.0.0")


def test_a_product_nobody_knows(desk: Desk) -> None:
    desk.run("release", "list", "--product", "shp", "--json").refused(2, "block_missing", "did you mean 'shop'?")


def test_without_any_product(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(desk.root / "elsewhere"))
    desk.run("release", "list", "--json").refused(2, "input", "stationmaster demo")
    monkeypatch.setenv("STATIONMASTER_LEDGER", f"sqlite:///{desk.root}/ledger.db")
    assert desk.run("release", "list", "--json").json == {"releases": []}


def test_a_ledger_that_is_away_is_no_traceback(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATIONMASTER_LEDGER", "postgresql://app:hunter2-secret@127.0.0.1:1/ledger")
    found = desk.run("release", "list", "--json")
    found.refused(3, found.json["error"]["code"])
    assert "hunter2" not in found.out + found.err
    monkeypatch.setenv("STATIONMASTER_LEDGER", "nonsense")
    desk.run("release", "list", "--json").refused(2, "ledger_address", "sqlite:")


def test_errors_are_sentences_for_people_and_leave_standard_output_alone(desk: Desk) -> None:
    desk.reach("cut", "shop-2-0-0")
    found = desk.run("release", "status", "shop-2-0-9")
    assert (found.code, found.out) == (2, "")
    assert found.err == "error: there is no release 'shop-2-0-9'\n hint: did you mean 'shop-2-0-0'?\n"
