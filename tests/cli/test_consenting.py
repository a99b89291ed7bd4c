"""`tenants approve|decline|link`: what a tenant's people say is recorded with its proof, by whom it may be said."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from stationmaster.blocks.artifact_store import ArtifactMissingError, DirectoryStore
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.toolbox import recall, remember
from stationmaster.cli import consenting
from stationmaster.domain.consent_link import opened
from tests.cli.conftest import DIGEST, Answered, Desk
from tests.shop import OPEN, TENANTS

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # an hour after the desk's entries


@pytest.fixture
def asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    said = "approval: {contacts: [it@acme.example, Boss@acme.example], within: 2d}"
    lines = [line.replace(OPEN, f"{OPEN}, {said}") if "id: acme," in line else line for line in TENANTS.splitlines()]
    (desk.root / "tenants.yaml").write_text("\n".join(lines))
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    remember("signer", "shop", FileSigner(key=SecretStr(private), approvers=str(desk.root / "approvers.yaml")))
    remember("artifacts", "shop", store(desk))
    monkeypatch.setattr(consenting, "now", lambda: NOW)
    desk.reach("planned")
    return desk


def store(desk: Desk) -> DirectoryStore:
    return DirectoryStore(root=str(desk.root / "artifacts"))


def give(desk: Desk, word: str = "approve", by: str = "it@acme.example", proof: str = "they said yes") -> Answered:
    return desk.run("tenants", word, "acme", "r2", "--by", by, "--proof", proof, "--json")


def words(desk: Desk) -> list[str]:
    return [entry.step for entry in desk.ledger.entries("r2") if entry.step in {"consented", "declined"}]


def test_a_record_keeps_its_proof_and_who_is_erasable(asked: Desk) -> None:
    mail = asked.root / "mail.eml"
    mail.write_bytes(b"From: boss@acme.example\n\nDo it.\n")
    found = give(asked, by="BOSS@acme.example", proof=str(mail))
    assert found.code == 0
    assert found.json["state"] == "agreed"
    assert (found.json["by"], found.json["until"]) == ("Boss@acme.example", "2026-11-25T08:00:00Z")
    assert store(asked).beside("evidence").bytes_of(found.json["proof"]) == mail.read_bytes()
    entry = asked.ledger.entries("r2")[-1]
    assert (entry.step, entry.subject, entry.fact["digest"]) == ("consented", "acme", DIGEST)
    assert asked.ledger.personal(entry) == {"who": "Boss@acme.example", "recorded": "ana"}
    assert "@" not in entry.canonical().decode()


def test_the_same_again_is_the_same_and_another_word_is_another(asked: Desk) -> None:
    for _ in range(2):
        give(asked)
    assert words(asked) == ["consented"]
    text = asked.run(
        "tenants", "decline", "acme", "r2", "--by", "it@acme.example", "--proof", "no", "--reason", "audit"
    )
    assert text.out.startswith("acme does not agree to it, and its contract asks for that\nkept as evidence: sha256:")
    assert asked.ledger.entries("r2")[-1].fact["reason"] == "audit"
    assert give(asked).json["state"] == "agreed"
    assert words(asked) == ["consented", "declined", "consented"]


def test_only_whom_the_contract_names_and_only_with_a_proof(asked: Desk) -> None:
    give(asked, by="it@acne.example").refused(2, "unknown_contact", "did you mean 'it@acme.example'?")
    give(asked, proof=" ").refused(2, "input", "without a proof")
    assert words(asked) == []


def test_to_agree_too_late_is_refused_and_to_decline_is_not(asked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consenting, "now", lambda: NOW + timedelta(days=3))
    give(asked).refused(1, "time_over", "acme said nothing until 2026-11-25T08:00:00Z")
    with pytest.raises(ArtifactMissingError):  # nothing is kept of what is not recorded
        store(asked).beside("evidence").bytes_of(f"sha256:{hashlib.sha256(b'they said yes').hexdigest()}")
    asked.run("tenants", "link", "acme", "r2", "--address", "https://x", "--json").refused(1, "time_over")
    assert give(asked, "decline").json["state"] == "declined"


def test_who_is_not_asked_is_told_why(asked: Desk) -> None:
    run = ("--by", "it@acme.example", "--proof", "x", "--json")
    asked.run("tenants", "approve", "birch", "r2", *run).refused(1, "not_asked", "does not ask")
    asked.run("tenants", "approve", "acne", "r2", *run).refused(2, "input", "did you mean 'acme'?")
    asked.run("tenants", "approve", "acme", "r3", *run).refused(2, "unknown_release", "r2")
    asked.reach("cut", "r4")
    asked.run("tenants", "approve", "acme", "r4", *run).refused(1, "not_asked", "r4 has no artifact yet")
    asked.reach("deployed")
    asked.run("tenants", "approve", "acme", "r2", *run).refused(1, "not_asked", "acme has r2 already")


def test_links_are_signed_one_a_contact_and_until_the_end(asked: Desk) -> None:
    found = asked.run("tenants", "link", "acme", "r2", "--address", "https://releases.example/", "--json").json
    assert [one["contact"] for one in found["links"]] == ["it@acme.example", "Boss@acme.example"]
    for one in found["links"]:
        base, _, token = one["url"].rpartition("/")
        assert base == "https://releases.example/consent"
        link = opened(token, signer().public_key(), NOW)
        assert (link.tenant, link.release, link.digest, link.product) == ("acme", "r2", DIGEST, "shop")
        assert link.expires == datetime(2026, 11, 25, 8, tzinfo=UTC)
    only = asked.run("tenants", "link", "acme", "r2", "--contact", "boss@acme.example", "--address", "https://x")
    assert only.out.startswith("Boss@acme.example  https://x/consent/")
    assert words(asked) == []


def signer() -> FileSigner:
    found: FileSigner = recall("signer", "shop")
    return found


def test_where_customers_reach_it_must_be_known(asked: Desk) -> None:
    asked.run("tenants", "link", "acme", "r2", "--json").refused(2, "input", "--address https://")


def test_a_proof_that_is_too_long_is_none(asked: Desk) -> None:
    file = asked.root / "long"
    with file.open("wb") as out:
        out.truncate((32 << 20) + 1)
    give(asked, proof=str(file)).refused(2, "input", "longer than 32 MiB")


@pytest.mark.parametrize(("default", "word"), [("skip", "leaves it out"), ("go", "lets it come")])
def test_a_preview_says_who_would_be_asked_first(asked: Desk, default: str, word: str) -> None:
    file = asked.root / "tenants.yaml"
    file.write_text(file.read_text().replace("within: 2d", f"within: 2d, default: {default}"))
    found = asked.run("release", "plan", "--ref", "v2.0.0", "--json").json["left_out"]
    assert list(found) == ["acme"]
    assert found["acme"].startswith("is asked for its approval first; silence until ")
    assert word in found["acme"]
    assert (
        asked.run("release", "plan", "--ref", "v1.0.0", "--json").json["left_out"]["acme"]
        == "runs this artifact already"
    )
