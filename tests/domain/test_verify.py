"""Nothing about a bundle can be changed unseen: by a bit, by a file, by an entry, or by the service itself."""

import base64
import json
import random
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.blocks.bundling import make
from stationmaster.blocks.checkpoints import origin
from stationmaster.domain import bundle
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.checkpoint import Checkpoint
from stationmaster.domain.container import pack, unpack
from stationmaster.domain.entries import canonical
from stationmaster.domain.merkle import root, split
from stationmaster.domain.verify import problems, problems_of
from stationmaster.domain.verify_index import listing, read_index
from tests import sample
from tests.bundles import Files, Released, released

SEED = sample.SEED
SMALL = 4096  # bytes of a file all of whose bits are tried
PARTS = 8  # cases of the slow test, each of every eighth file


@pytest.fixture(scope="module")
def held() -> Iterator[Released]:
    with released() as found:
        yield found


@pytest.fixture(scope="module")
def raw(held: Released) -> bytes:
    return make(held.world.tools, "r2").raw


@pytest.fixture
def files(raw: bytes) -> Files:
    return unpack(raw)


@pytest.fixture(scope="module")
def acme(held: Released) -> Files:
    return unpack(make(held.world.tools, "r2", "acme").raw)


def told(found: list[str], *words: str) -> None:
    """It was found, and the sentences name these words."""
    assert found == sorted(found)
    assert found, "nothing was found"
    for word in words:
        assert word in "\n".join(found)


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_bundle_is_good(held: Released, raw: bytes) -> None:
    assert problems(raw, held.keys) == []
    assert problems(raw, held.keys, unpack(raw)[bundle.CHECKPOINT]) == []


@pytest.mark.parametrize("tenant", ["acme", "birch", "cedar"])
def test_a_tenants_bundle_is_good(held: Released, tenant: str) -> None:
    assert problems(make(held.world.tools, "r2", tenant).raw, held.keys) == []


# -- bits


def test_some_flips_in_the_container_and_in_every_file_are_seen(held: Released, raw: bytes, files: Files) -> None:
    dice = random.Random(SEED)  # noqa: S311 - a draw of tests
    for _ in range(200):
        assert problems(flipped(raw, dice.randrange(len(raw) * 8)), held.keys)
    for name, content in files.items():
        for _ in range(3 if content else 0):
            changed = {**files, name: flipped(content, dice.randrange(len(content) * 8))}
            assert problems_of(changed, held.keys), name


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_flip_is_seen(
    held: Released, raw: bytes, files: Files, part: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """All bits of small files, 10,000 of large ones and of the container: through the whole of `verify` where the index
    or its signature is meant; the other files are held against the index that was read.
    """
    dice, index, tried = random.Random(SEED), read_index(files, held.keys), 0  # noqa: S311
    begun = time.perf_counter()
    for name, content in [*files.items()][part::PARTS]:
        whole = name in bundle.UNLISTED
        for bit in _bits(content, dice):
            changed = {**files, name: flipped(content, bit)}
            found = problems_of(changed, held.keys) if whole else list(listing(changed, index))
            assert found, (name, bit)
            tried += 1
    for bit in (dice.randrange(len(raw) * 8) for _ in range(10_000 // PARTS)):
        assert problems(flipped(raw, bit), held.keys), bit
        tried += 1
    spent = time.perf_counter() - begun
    with capsys.disabled():
        print(f"\n{tried:,} flips seen, {spent / tried * 1000:.2f} ms each, SEED={SEED}")  # noqa: T201 - a figure


def _bits(content: bytes, dice: random.Random) -> Iterator[int]:
    count = len(content) * 8
    return iter(range(count)) if len(content) <= SMALL else (dice.randrange(count) for _ in range(10_000))


def test_a_flip_is_seen_in_a_fraction_of_a_whole_check(held: Released, raw: bytes, files: Files) -> None:
    """Checking stops at the first room in which something is wrong."""

    def cost(act: Callable[[], object]) -> float:
        best = 1.0
        for _ in range(5):
            begin = time.process_time()
            act()
            best = min(best, time.process_time() - begin)
        return best

    changed = {**files, bundle.LEAVES: flipped(files[bundle.LEAVES], 7)}
    assert cost(lambda: problems_of(changed, held.keys)) < cost(lambda: problems_of(files, held.keys)) / 2
    assert cost(lambda: problems(flipped(raw, 99), held.keys)) < cost(lambda: problems_of(files, held.keys)) / 2


# -- files, by whoever has no key


def test_a_file_that_is_taken_away_is_missed(held: Released, files: Files) -> None:
    for name in files:
        less = {other: content for other, content in files.items() if other != name}
        told(problems(pack(less), held.keys), name, "missing")


def test_a_file_that_is_added_is_seen(held: Released, files: Files) -> None:
    told(problems(pack({**files, "logs/99-more.log": b"fine"}), held.keys), "logs/99-more.log", "not in release.json")


def test_two_files_that_are_exchanged_are_seen(held: Released, files: Files) -> None:
    one, other = "log/proofs/8.tlog-proof", "log/proofs/9.tlog-proof"
    told(problems(pack({**files, one: files[other], other: files[one]}), held.keys), one, other, "changed")


def test_files_of_another_bundle_are_seen(held: Released, files: Files, acme: Files) -> None:
    told(problems(pack({**files, bundle.ENTRIES: acme[bundle.ENTRIES]}), held.keys), bundle.ENTRIES, "changed")
    told(problems(pack({**files, bundle.INDEX: acme[bundle.INDEX]}), held.keys), "what was signed is not this")


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: json.dumps(json.loads(raw)).encode(),
        lambda raw: raw + b"\n",
        lambda raw: raw.replace(b'"state":"released"', b'"state":"released","state":"released"'),
        lambda raw: raw.replace(b'"size":', b'"size":0', 1),
        lambda raw: b"[" * 100_000,
        lambda raw: b"null",
        lambda raw: b"",
        lambda raw: b"\xff",
        lambda raw: b"{}",
        lambda raw: raw.replace(b'"tenant":null', b'"tenant":1'),
        lambda raw: b'{"a":NaN}',
        lambda raw: b'{"a":1e400}',
        lambda raw: b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_an_index_in_another_spelling_is_none(held: Released, files: Files, change: Callable[[bytes], bytes]) -> None:
    found = problems(pack({**files, bundle.INDEX: change(files[bundle.INDEX])}), held.keys)
    told(found, "release.json: ")
    assert len(found) == 1
    assert len(found[0]) < 300


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: {**one, "signatures": []}, ["nobody has signed"]),
        (lambda one: {**one, "signatures": [{**one["signatures"][0], "keyid": "0" * 64}]}, ["no service"]),
        (lambda one: {**one, "signatures": one["signatures"] + [{"keyid": "0" * 64, "sig": "AAAA"}]}, ["no service"]),
        (lambda one: {**one, "payload": one["payload"].rstrip("=") + "=A"}, ["no envelope"]),
        (lambda one: {**one, "payload": base64.b64encode(b"{}").decode()}, ["no in-toto statement"]),
        (lambda one: {**one, "payloadType": "text/plain"}, ["not an in-toto statement"]),
        (lambda one: {**one, "more": 1}, ["no envelope"]),
    ],
)  # fmt: skip
def test_another_signature_of_the_index_does_not_count(
    held: Released, files: Files, change: Callable[[dict[str, object]], object], words: list[str]
) -> None:
    signed = canonical(change(json.loads(files[bundle.SIGNATURE])))
    told(problems(pack({**files, bundle.SIGNATURE: signed}), held.keys), bundle.SIGNATURE, *words)


# -- keys


def others_keys(held: Released, **service: object) -> Approvers:
    known = held.keys.model_dump(by_alias=True)
    known["services"][0].update(service)
    return Approvers.model_validate(known)


def test_a_service_signs_only_what_its_keys_count_for(held: Released, raw: bytes) -> None:
    told(problems(raw, others_keys(held, predicates=())), "do not count for https://stationmaster.dev/bundle/v1")
    found = problems(raw, others_keys(held, predicates=(bundle.PREDICATE,)))
    told(found, "attestations/", "do not count for https://slsa.dev/provenance/v1")
    assert problems(raw, others_keys(held, predicates=("https://*",))) == []


def test_a_key_that_was_not_valid_does_not_count(held: Released, raw: bytes) -> None:
    key = held.keys.services[0].keys[0].ed25519
    told(problems(raw, others_keys(held, keys=({"ed25519": key, "until": "2026-11-01"},))), "not valid when it signed")
    told(problems(raw, others_keys(held, keys=())), "no service in the file of keys")


def test_the_log_must_be_known(held: Released, raw: bytes) -> None:
    told(problems(raw, held.keys.model_copy(update={"logs": ()})), bundle.CHECKPOINT, "no known key")


def test_people_of_another_file_have_approved_nothing(held: Released, raw: bytes) -> None:
    ben = held.keys.person("ben")
    assert ben is not None
    fewer = [one if one is not ben else one.model_copy(update={"roles": ()}) for one in held.keys.people]
    found = problems(raw, held.keys.model_copy(update={"people": tuple(fewer)}))
    told(found, "says that it was approved, and it lacked 1 release-approver", "has none of the roles")


# -- checkpoints from elsewhere


def test_an_older_checkpoint_agrees_and_a_newer_one_says_that_the_bundle_is_old(held: Released, raw: bytes) -> None:
    signer, leaves = held.world.tools.signer, split(unpack(raw)[bundle.LEAVES])
    for size in (1, 7, len(leaves)):
        older = signer.checkpoint(Checkpoint(origin("shop"), size, root(leaves[:size])))
        assert problems(raw, held.keys, older.encode()) == []
    told(problems(raw, held.keys, held.checkpoint()), "the other checkpoint", "older log")


def test_a_checkpoint_of_a_rewritten_log_contradicts(held: Released, raw: bytes) -> None:
    signer = held.world.tools.signer
    forged = signer.checkpoint(Checkpoint(origin("shop"), 5, b"x" * 32))
    told(problems(raw, held.keys, forged.encode()), "rewritten")
    told(
        problems(raw, held.keys, signer.checkpoint(Checkpoint("other.example/log", 5, b"x" * 32)).encode()), "known key"
    )


@given(st.binary(max_size=300))
def test_whatever_is_given_as_a_checkpoint(held: Released, raw: bytes, note: bytes) -> None:
    told(problems(raw, held.keys, note), "the other checkpoint")


@given(st.binary(max_size=300))
def test_whatever_is_given_as_a_bundle(held: Released, garbage: bytes) -> None:
    told(problems(garbage, held.keys), "the ZIP file")


def test_a_bundle_that_is_cut_off_anywhere_is_none(held: Released, raw: bytes) -> None:
    dice = random.Random(SEED)  # noqa: S311
    for _ in range(100):
        told(problems(raw[: dice.randrange(len(raw))], held.keys), "the ZIP file")
