"""`approvers.yaml`: the logs that are trusted, and whose a name is. What people may do is in test_approval.py."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from stationmaster.domain import dsse
from stationmaster.domain.approvers import RATIFIED, Approvers, SharedNameError
from stationmaster.domain.documents import DocumentError, read
from stationmaster.domain.signed_note import Key, NoteError, read_key

OLD, NEW = (Key("log.example/shop", raw).vkey() for raw in (b"o" * 32, b"n" * 32))
OTHER = Key("log.example/desk", b"n" * 32).vkey()


def logs(*listed: tuple[str, str]) -> Approvers:
    lines = "".join(f'  - {{origin: {origin}, vkey: "{vkey}"}}\n' for origin, vkey in listed)
    return read(Approvers, f"people: [{{id: ana, name: Ana}}]\nlogs:\n{lines}", "approvers.yaml").value


def test_a_log_whose_key_was_changed_has_two() -> None:
    found = logs(("log.example/shop", OLD), ("log.example/desk", OTHER), ("log.example/shop", NEW))
    assert found.vkeys("log.example/shop") == (OLD, NEW)
    assert found.vkeys("log.example/none") == ()


@pytest.mark.parametrize(
    ("origin", "vkey", "said"),
    [
        ("log.example/shop", OTHER, r"the vkey is one of 'log.example/desk', not of this origin"),
        ("log.example/shop", OLD.replace("+", "+0", 1), "the vkey's id is"),
        ("log.example/shop", OLD[:-4], "not of ed25519"),
        ("log.example/shop", "nothing", "not of ed25519"),
        ("log.example/shop", "a b+c", "names no key"),
    ],
)
def test_a_wrong_verifier_key_is_told_when_the_file_is_read(origin: str, vkey: str, said: str) -> None:
    with pytest.raises(DocumentError, match=said) as caught:
        logs(("log.example/desk", OTHER), (origin, vkey))
    assert caught.value.line == 4


def test_a_verifier_key_is_listed_once() -> None:
    with pytest.raises(DocumentError, match="is listed twice"):
        logs(("log.example/shop", OLD), ("log.example/shop", OLD))


def listed(*people: str, services: tuple[str, ...] = ()) -> str:
    rows = [
        *(f"- {{{one}}}" for one in people),
        *(["services:"] if services else []),
        *(f"- {{{s}}}" for s in services),
    ]
    return "\n".join(["people:", *rows])


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ("gitlab: kim", "github: kim", "github"),
        ("github: b", "name: Ben", "id"),  # the id of the second is the account of the first
        ("slack: U1", "emails: [b@x, u1]", "emails[2]"),
        ("emails: [a@x]", "emails: [A@X]", "emails[1]"),
        ("github: kim", "github: Kim", "github"),
        ("github: '@kim'", "gitlab: \uff4bim", "gitlab"),
        ("name: Alex Kim", "name: alex  kim", "name"),
        ("name: kim", "slack: kim", "slack"),
    ],
)
def test_a_name_is_one_owner_s_of_whatever_kind_it_is(one: str, other: str, key: str) -> None:
    first, second = (
        f"{words}{'' if 'name:' in words else ', name: ' + who}" for words, who in ((one, "A"), (other, "B"))
    )
    with pytest.raises(DocumentError, match="would be a name of 'a' and of 'b'; each name is one owner's") as caught:
        read(Approvers, listed(f"id: a, {first}", f"id: b, {second}"), "approvers.yaml")
    assert (caught.value.file, caught.value.line) == ("approvers.yaml", 3)
    assert caught.value.message.startswith(f"people[2].{key}: ")


@pytest.mark.parametrize("service", ["id: ana-1", "id: robot, github: Ana-A", "id: robot, emails: [a@x]"])
def test_nor_is_it_a_person_s_and_a_service_s(service: str) -> None:
    with pytest.raises(DocumentError, match="would be a name of 'ana' and of ") as caught:
        read(Approvers, listed("id: ana, name: Ana-1, github: ana-a, emails: [a@x]", services=(service,)), "a.yaml")
    assert caught.value.line == 4


def test_one_person_may_be_called_the_same_everywhere() -> None:
    found = read(Approvers, listed("id: kim, name: Kim, github: kim, gitlab: kim, slack: kim"), "a.yaml").value
    assert found.starter("KIM").id == "kim"


def test_what_was_ratified_with_a_shared_name_is_read_and_nobody_starts_under_it() -> None:
    rows = [{"id": "a", "name": "Alex Kim"}, {"id": "b", "name": "Alex Kim"}]
    found = Approvers.model_validate({"people": rows}, context=RATIFIED)
    assert [one.id for one in found.called("alex kim")] == ["a", "b"]
    assert found.starter("b").id == "b"
    with pytest.raises(SharedNameError, match="'Alex Kim' is a name of a and of b") as caught:
        found.starter("Alex Kim")
    assert "Kim" not in str(caught.value.unnamed)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("20260101", "20260101 is no day and no instant; write 2026-01-31"),
        ("1767225600.5", "is no day and no instant"),
        ("true", "True is no day and no instant"),
        ("[2026-01-01]", "is no day and no instant"),
        ("yesterday", "Invalid isoformat string"),
        ("'0001-01-01T00:00:00+14:00'", "0001-01-01T00:00:00.14:00 is no instant in UTC"),
        ("'9999-12-31T23:59:59-12:00'", "is no instant in UTC"),
    ],
)
@pytest.mark.parametrize("key", ["from", "until"])
def test_what_is_no_day_and_no_instant_is_told(key: str, written: str, said: str) -> None:
    with pytest.raises(DocumentError, match=said) as caught:
        read(Approvers, listed(f"id: ana, name: Ana, {key}: {written}"), "approvers.yaml")
    assert (caught.value.line, caught.value.message.partition(":")[0]) == (2, f"people[1].{key}")


@pytest.mark.parametrize("written", ["2026-01-01", "'20260101'", "'2026-01-01T02:00:00+02:00'"])
def test_a_day_and_an_instant_are_read_as_utc(written: str) -> None:
    (ana,) = read(Approvers, listed(f"id: ana, name: Ana, from: {written}"), "approvers.yaml").value.people
    assert ana.from_ == datetime(2026, 1, 1, tzinfo=UTC)


def weak_keys() -> list[bytes]:
    """The encodings of the eight points of small order, canonical or not, found by what makes them so."""
    q = 2**255 - 19
    d, root = -121665 * pow(121666, -1, q) % q, pow(2, (q - 1) // 4, q)

    def doubled(x: int, y: int) -> tuple[int, int]:
        t = d * x * x * y * y
        return 2 * x * y * pow(1 + t, -1, q) % q, (y * y + x * x) * pow(1 - t, -1, q) % q

    def torsion(y: int) -> bool:
        square = (y * y - 1) * pow(d * y * y + 1, -1, q) % q
        x = pow(square, (q + 3) // 8, q)
        x = x if (x * x - square) % q == 0 else x * root % q
        point = (x, y % q)
        for _ in range(3):
            point = doubled(*point)
        return (x * x - square) % q == 0 and point == (0, 1)

    told = ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",)
    eighth = [int.from_bytes(bytes.fromhex(one), "little") for one in told]
    found = [0, 1, q - 1, q, q + 1, *eighth, *(q - one for one in eighth)]
    assert all(torsion(y) for y in found)
    return [(y | sign << 255).to_bytes(32, "little") for y in found for sign in (0, 1)]


@pytest.mark.parametrize("raw", weak_keys())
def test_a_key_in_whose_name_anybody_could_sign_is_refused(raw: bytes) -> None:
    written = base64.b64encode(raw).decode()
    with pytest.raises(DocumentError, match="anybody could sign in the name of this key"):
        read(Approvers, listed(f"id: ana, name: Ana, keys: [{{ed25519: {written}}}]"), "approvers.yaml")
    with pytest.raises(NoteError, match="anybody could sign"):
        read_key(Key("log.example/shop", raw).vkey())


def test_a_signature_that_was_forged_for_such_a_key_is_nobody_s() -> None:
    one = b"\x01" + bytes(31)
    Ed25519PublicKey.from_public_bytes(one).verify(one + bytes(32), b"any text")  # raises nothing: it is forged
    assert not dsse.made_by(one, one + bytes(32), b"any text")
    rows = [{"id": "ana", "name": "Ana", "keys": [{"ed25519": base64.b64encode(one).decode()}]}]
    assert Approvers.model_validate({"people": rows}, context=RATIFIED).people[0].keys  # read, and of no use
