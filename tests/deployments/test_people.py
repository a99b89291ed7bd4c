"""The people of a sandbox can do what its product asks of them, and no more."""

import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from stationmaster.blocks.signer import FileSigner, load_person_key, sign_with
from stationmaster.blocks.trains import STARTER as STARTER_OF_TRAINS
from stationmaster.deployments.sandbox.people import (
    APPROVERS,
    SERVICE,
    STARTER,
    Cast,
    TooManyApproversError,
    make_people,
    must_have_approvers,
)
from stationmaster.domain.approval import Decision
from stationmaster.domain.approval_statement import statement
from stationmaster.domain.boarding_pass import WEBHOOK
from stationmaster.domain.product import Product
from tests.questions import DIGEST, MANDATE, decided_on
from tests.shop import product


def asking(quorum: Mapping[str, int], hotfix: Mapping[str, int] | None = None) -> Product:
    found = product().model_dump(by_alias=True)
    return Product.model_validate({**found, "approvals": {"deploy": quorum}, "hotfix": {"approvals": hotfix}})


def signer(cast: Cast) -> FileSigner:
    return FileSigner(key=SecretStr(cast.keys[SERVICE].read_text()), approvers=str(cast.approvers))


def decided(cast: Cast, *who: str, required: Mapping[str, int] | None = None) -> Decision:
    signed = [sign_with(load_person_key(cast.keys[one]), statement("r1", DIGEST, MANDATE)) for one in who]
    asked = required or {"release-approver": 1}
    return decided_on(signed, signer(cast).people(), datetime(2026, 1, 1, tzinfo=UTC), required=asked, starter=STARTER)


def test_rosa_and_ben_can_approve_and_the_starter_cannot(tmp_path: Path) -> None:
    cast = make_people(tmp_path, product())
    assert decided(cast, "rosa").satisfied
    assert decided(cast, "ben").satisfied
    assert [refusal.rule for refusal in decided(cast, STARTER).refused] == ["starter"]
    assert [refusal.rule for refusal in decided(cast, SERVICE).refused] == ["service_account"]


def test_nothing_is_readable_by_others_and_the_files_say_that_they_are_a_demo(tmp_path: Path) -> None:
    cast = make_people(tmp_path, product())
    for path in (cast.approvers, *cast.keys.values()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cast.approvers.read_text().startswith("# Demo keys")


def test_a_second_call_keeps_the_people(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in make_people(tmp_path, product()).keys.values()}
    assert {path: path.read_bytes() for path in make_people(tmp_path, product()).keys.values()} == first


def test_whoever_wrote_a_change_is_known_and_may_nothing(tmp_path: Path) -> None:
    authors = [
        ("Aya", "aya@shop.example"), ("Aya too", "Aya@home.example"), ("Ben", "ben@shop.example"),
        ('Q: "x" # y', "webhook@x.example"), ("Zoé", "@"),
    ]  # fmt: skip
    people = signer(make_people(tmp_path, product(), authors)).people()
    known = {person.id: person for person in people.people}
    assert list(known)[-4:] == ["aya", "aya-2", "webhook-2", "author"]
    assert known["webhook-2"].name == 'Q: "x" # y'
    assert not any(known[one].roles or known[one].keys for one in ("aya", "aya-2", "webhook-2", "author"))
    assert people.person("BEN@shop.example") is known["ben"]


def test_each_role_that_a_product_asks_for_has_people_enough_a_hotfix_too(tmp_path: Path) -> None:
    wanted = {"security": 1, "release-approver": 2}
    cast = make_people(tmp_path, asking(wanted, {"on-call-lead": 1}))
    assert set(cast.keys) == {*APPROVERS[:3], STARTER, SERVICE}
    assert decided(cast, *APPROVERS[:3], required=wanted).satisfied
    assert not decided(cast, *APPROVERS[:2], required=wanted).satisfied
    assert decided(cast, "ben", required={"on-call-lead": 1}).satisfied


def test_other_approvals_change_the_file_and_keep_the_keys(tmp_path: Path) -> None:
    before = make_people(tmp_path, product())
    rosa = before.keys["rosa"].read_bytes()
    after = make_people(tmp_path, asking({"qa": 3}))
    assert after.keys["rosa"].read_bytes() == rosa
    assert decided(after, *APPROVERS[:3], required={"qa": 3}).satisfied


def test_the_people_work_for_the_product(tmp_path: Path) -> None:
    people = signer(make_people(tmp_path, product())).people().people
    assert {(one.employer, one.emails[0].partition("@")[2]) for one in people} == {("Shop", "shop.example")}


def test_a_word_that_yaml_would_take_for_another_stays_a_word(tmp_path: Path) -> None:
    odd = asking({"on": 1}).model_copy(update={"product": "1"})
    people = signer(make_people(tmp_path, odd)).people().people
    assert (people[0].roles, people[0].employer) == (("on",), "1")


def test_more_approvers_than_there_are_people_are_refused() -> None:
    must_have_approvers(asking({"qa": len(APPROVERS)}))
    with pytest.raises(TooManyApproversError, match=f"{len(APPROVERS) + 1} people"):
        must_have_approvers(asking({"qa": len(APPROVERS), "ops": 1}))


def test_a_train_may_be_started_in_the_name_of_its_service(tmp_path: Path) -> None:
    assert signer(make_people(tmp_path, product())).people().starter(STARTER_OF_TRAINS).id == "release-train"


def test_the_webhook_starts_hotfixes_and_has_no_key(tmp_path: Path) -> None:
    people = signer(make_people(tmp_path, product())).people()
    assert people.starter(WEBHOOK).id == WEBHOOK
    assert [len(service.keys) for service in people.services if service.id == WEBHOOK] == [0]
