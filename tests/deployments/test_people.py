"""The demo's people can do what the demo needs of them, and no more."""

import stat
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from stationmaster.blocks.signer import FileSigner, load_person_key, sign_with
from stationmaster.blocks.trains import STARTER as STARTER_OF_TRAINS
from stationmaster.deployments.sandbox.people import SERVICE, STARTER, Cast, make_people
from stationmaster.domain.approval import Decision, decide, statement
from stationmaster.domain.boarding_pass import WEBHOOK

DIGEST = f"sha256:{'a' * 64}"


def signer(cast: Cast) -> FileSigner:
    return FileSigner(key=SecretStr(cast.keys[SERVICE].read_text()), approvers=str(cast.approvers))


def decided(cast: Cast, who: str) -> Decision:
    return decide(
        required={"release-approver": 1},
        approvers=signer(cast).people(),
        starter=STARTER,
        envelopes=[sign_with(load_person_key(cast.keys[who]), statement("r1", DIGEST))],
        release="r1",
        digest=DIGEST,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_rosa_and_ben_can_approve_and_the_starter_cannot(tmp_path: Path) -> None:
    cast = make_people(tmp_path)
    assert decided(cast, "rosa").satisfied
    assert decided(cast, "ben").satisfied
    assert [refusal.rule for refusal in decided(cast, STARTER).refused] == ["starter"]
    assert [refusal.rule for refusal in decided(cast, SERVICE).refused] == ["service_account"]


def test_nothing_is_readable_by_others_and_the_files_say_that_they_are_a_demo(tmp_path: Path) -> None:
    cast = make_people(tmp_path)
    for path in (cast.approvers, *cast.keys.values()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cast.approvers.read_text().startswith("# Demo keys")


def test_a_second_call_keeps_the_people(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in make_people(tmp_path).keys.values()}
    assert {path: path.read_bytes() for path in make_people(tmp_path).keys.values()} == first


def test_a_train_may_be_started_in_the_name_of_its_service(tmp_path: Path) -> None:
    assert signer(make_people(tmp_path)).people().starter(STARTER_OF_TRAINS).id == "release-train"


def test_the_webhook_starts_hotfixes_and_has_no_key(tmp_path: Path) -> None:
    people = signer(make_people(tmp_path)).people()
    assert people.starter(WEBHOOK).id == WEBHOOK
    assert [len(service.keys) for service in people.services if service.id == WEBHOOK] == [0]
