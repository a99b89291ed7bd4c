"""What even the service's own key cannot forge unseen: entries, their order and number, approvals, another release."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stationmaster.blocks.bundling import make
from stationmaster.blocks.signer import sign_with
from stationmaster.domain import bundle
from stationmaster.domain.approval_statement import Said
from stationmaster.domain.bundle import who_name
from stationmaster.domain.checkpoint import Checkpoint, parse, proof_text
from stationmaster.domain.container import pack, unpack
from stationmaster.domain.entries import STEPS, Entry, canonical, digest
from stationmaster.domain.kept import kept
from stationmaster.domain.mandate import Mandate
from stationmaster.domain.merkle import Tree, leaf, split
from stationmaster.domain.verify import problems
from tests.bundles import Files, Released, released

# Words that facts are looked into for.
KEYS = (
    "product", "leaves", "envelope", "of", "predicate", "digest", "artifact", "content", "planned", "required", "waves",
    "placements", "mandate", "ends", "earlier", "checks", "log", "name", "tenants", "signatures", "payload",
)  # fmt: skip


@pytest.fixture(scope="module")
def held() -> Iterator[Released]:
    with released() as found:
        yield found


@pytest.fixture
def files(held: Released) -> Files:
    return unpack(make(held.world.tools, "r2").raw)


def found(held: Released, files: Files, /, **changed: Any) -> str:
    """The problems of the files under an index that the service signed for them."""
    said = problems(pack(held.sealed(files, **changed)), held.keys)
    assert said == sorted(said)
    return "\n".join(said)


def entries(files: Files) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files[bundle.ENTRIES].splitlines()]


def number(files: Files, step: str) -> int:
    return int(next(one["index"] for one in reversed(entries(files)) if one["step"] == step))


def rewritten(held: Released, files: Files, changed: dict[int, dict[str, Any]]) -> Files:
    """A whole new log in which these entries say something else, under a new checkpoint of the log's own key: what only
    a checkpoint from elsewhere can tell apart.
    """
    leaves = split(files[bundle.LEAVES])
    told = [{**one, **changed.get(one["index"], {})} for one in entries(files)]
    for one in told:
        leaves[one["index"]] = leaf(canonical(one))
    tree, old = Tree(leaves), parse(files[bundle.CHECKPOINT]).checkpoint
    note = held.world.tools.signer.checkpoint(Checkpoint(old.origin, tree.size, tree.root()))
    proofs = {bundle.proof_name(one["index"]): proof_text(one["index"], tree.inclusion(one["index"]), note).encode()
              for one in told}  # fmt: skip
    rest = {name: content for name, content in files.items() if not name.startswith("log/proofs/")}
    made = {**rest, **proofs, bundle.CHECKPOINT: note.encode(), bundle.LEAVES: b"".join(leaves),
            bundle.ENTRIES: bundle.lines(canonical(one) for one in told)}  # fmt: skip
    head = {"origin": old.origin, "size": tree.size, "root": f"sha256:{tree.root().hex()}"}
    return held.sealed(made, checkpoint=head, entries=[one["index"] for one in told])


def test_the_means_of_these_tests_forge_nothing_by_themselves(held: Released, files: Files) -> None:
    assert found(held, files) == ""
    assert problems(pack(rewritten(held, files, {})), held.keys) == []


# -- entries


def test_an_entry_that_says_something_else(held: Released, files: Files) -> None:
    files[bundle.ENTRIES] = files[bundle.ENTRIES].replace(b'"version":"2"', b'"version":"3"', 1)
    assert "is not what the log has there" in found(held, files)


def test_an_entry_that_was_left_out(held: Released, files: Files) -> None:
    gone = number(files, "tested")
    rest = [one for one in entries(files) if one["index"] != gone]
    less = {**files, bundle.ENTRIES: bundle.lines(canonical(one) for one in rest)}
    assert "it has not the" in found(held, less)
    less.pop(bundle.proof_name(gone))
    said = found(held, less, entries=[one["index"] for one in rest])
    assert f"lists other entries of the release: [{gone}]" in said


def without(files: Files, gone: set[int]) -> tuple[Files, dict[str, Any]]:
    """The files without those entries and what they tell of, and the index's words for it: nothing else is forged."""
    index = json.loads(files[bundle.INDEX])
    names = {row["name"] for row in index["files"] if row["entry"] in gone} | {bundle.proof_name(one) for one in gone}
    rest = {name: content for name, content in files.items() if name not in names}
    rest[bundle.ENTRIES] = bundle.lines(canonical(one) for one in entries(files) if one["index"] not in gone)
    return rest, {name: [one for one in index[name] if one not in gone] for name in ("entries", "hidden")}


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_lists_of_all_entries_that_were_left_out_with_what_they_list(held: Released, tenant: str | None) -> None:
    files = unpack(make(held.world.tools, "r2", tenant).raw)
    rest, said = without(
        files, {one["index"] for one in entries(files) if one["step"] in {"closed", "waiting", "told"}}
    )
    assert found(held, rest, **said) == (
        f"{bundle.INDEX}: the release is said to be released, and by its entries it is open"
    )


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_a_list_that_says_it_is_of_a_smaller_log(held: Released, tenant: str | None) -> None:
    """It lists nothing wrong, and far from everything that came before it."""
    files = unpack(make(held.world.tools, "r2", tenant).raw)
    (closed,) = [one for one in entries(files) if one["step"] == "closed"]
    size = number(files, "built")
    fact = {**closed["fact"], "size": size, "leaves": [one for one in closed["fact"]["leaves"] if one < size]}
    forged = rewritten(held, files, {closed["index"]: {"fact": fact}})
    assert "is said to be released, and by its entries it is open" in judged(held, forged)


def test_a_list_from_before_the_release_ended_otherwise() -> None:
    """What was listed as released was rolled back since; that this was listed again is left out."""
    with released() as fresh:
        fresh.world.rollback()
        whole, part = (unpack(make(fresh.world.tools, "r2", tenant).raw) for tenant in (None, "acme"))
        last = number(whole, "closed")
        for files, seen in ((whole, "open"), (part, "released")):
            rest, said = without(files, {last})
            told = f"{bundle.INDEX}: the release is said to be rolled_back, and by its entries it is {seen}"
            assert found(fresh, rest, **said) == told


def test_an_entry_that_is_said_to_be_hidden_from_nobody(held: Released, files: Files) -> None:
    gone = number(files, "tested")
    rest = [one["index"] for one in entries(files) if one["index"] != gone]
    files[bundle.ENTRIES] = bundle.lines(canonical(one) for one in entries(files) if one["index"] != gone)
    del files[bundle.proof_name(gone)]
    assert "although it is the bundle of no one tenant" in found(held, files, entries=rest, hidden=[gone])


def test_entries_in_another_order(held: Released, files: Files) -> None:
    lines = files[bundle.ENTRIES].splitlines(keepends=True)
    files[bundle.ENTRIES] = b"".join([lines[1], lines[0], *lines[2:]])
    assert "is another entry, or not canonical" in found(held, files)
    order = [json.loads(line)["index"] for line in files[bundle.ENTRIES].splitlines()]
    assert "not in the order of their indexes" in found(held, files, entries=order)


def test_an_entry_in_another_spelling(held: Released, files: Files) -> None:
    files[bundle.ENTRIES] = files[bundle.ENTRIES].replace(b'","', b'", "', 1)
    assert "not canonical" in found(held, files)
    files[bundle.ENTRIES] = b"[]\n" * len(entries(unpack(make(held.world.tools, "r2").raw)))
    assert "is no entry" in found(held, files)


@pytest.mark.parametrize("number", [2**53, 10**400], ids=["2^53", "10^400"])
def test_an_entry_with_a_number_that_json_cannot_say_exactly(held: Released, files: Files, number: int) -> None:
    lines = files[bundle.ENTRIES].splitlines(keepends=True)
    told = lines[0].replace(b'"attempt":1', f'"attempt":{number}'.encode(), 1)
    assert told != lines[0]
    said = found(held, {**files, bundle.ENTRIES: b"".join([told, *lines[1:]])})
    assert said.startswith(f"{bundle.ENTRIES}: the line of entry ")


def test_entries_of_another_release(held: Released, files: Files) -> None:
    assert "entry 3 is of another release" in found(held, files, release="r3")


def test_another_product_or_state(held: Released, files: Files) -> None:
    assert "it is said to be of other" in found(held, files, product="other")
    assert "is said to be open, and by its entries it is released" in found(held, files, state="open")


# -- the log


def test_a_leaf_that_is_another(held: Released, files: Files) -> None:
    files[bundle.LEAVES] = b"x" * 32 + files[bundle.LEAVES][32:]
    assert "its root is not that of the checkpoint" in found(held, files)


def test_fewer_leaves_than_the_checkpoint_has(held: Released, files: Files) -> None:
    files[bundle.LEAVES] = files[bundle.LEAVES][:-32]
    assert "which are not" in found(held, files)


def test_an_older_checkpoint_in_the_place_of_a_newer(held: Released, files: Files) -> None:
    """The log as it was before the last entries, signed by the log's own key."""
    leaves = split(files[bundle.LEAVES])[:20]
    old = Checkpoint(parse(files[bundle.CHECKPOINT]).checkpoint.origin, 20, Tree(leaves).root())
    files[bundle.CHECKPOINT] = held.world.tools.signer.checkpoint(old).encode()
    assert "it is not the one of release.json" in found(held, files)
    head = {"origin": old.origin, "size": 20, "root": f"sha256:{old.root.hex()}"}
    files[bundle.LEAVES] = b"".join(leaves)
    assert "is not what the log has there" in found(held, files, checkpoint=head)


def test_a_proof_of_another_entry(held: Released, files: Files) -> None:
    one, other = bundle.proof_name(8), bundle.proof_name(9)
    files[one], files[other] = files[other], files[one]
    assert f"{one}: it is the proof of another entry" in found(held, files)


def test_a_proof_that_leads_nowhere_or_is_none(held: Released, files: Files) -> None:
    name = bundle.proof_name(8)
    lines = files[name].decode().split("\n")
    lines[2], lines[3] = lines[3], lines[2]
    assert "does not lead from entry 8" in found(held, {**files, name: "\n".join(lines).encode()})
    assert f"{name}: " in found(held, {**files, name: b"\xff"})
    assert "the proof of no entry" in found(held, {**files, bundle.proof_name(0): files[name]})
    less = {other: content for other, content in files.items() if other != name}
    assert f"{name}: it is missing" in found(held, less)


@pytest.mark.parametrize("name", [bundle.CHECKPOINT, bundle.LEAVES, bundle.ENTRIES])
def test_a_part_of_the_log_that_is_missing(held: Released, files: Files, name: str) -> None:
    del files[name]
    assert found(held, files) == f"{name}: it is missing"


# -- what was kept


def absent_rows(
    files: Files, names: Iterable[str], why: str, what: str = "", digest: str | None = ""
) -> list[dict[str, Any]]:
    """Rows that say that these files are absent, for a reason."""
    told = {row["name"]: row for row in json.loads(files[bundle.INDEX])["files"]}
    kinds = {one.name: one.what for one in kept(map(Entry.model_validate, entries(files)))}
    return [
        {"entry": told[name]["entry"], "what": what or kinds.get(name) or ("who" if "who" in name else "envelope"),
         "digest": told[name]["digest"] if digest == "" else digest, "why": why} for name in sorted(names)
    ]  # fmt: skip


KEPT = ("logs/", "reports/", "scans/", "sbom", "migrations/", "approvals/", "attestations/")
WHYS = ("never recorded", "names another tenant", "no text", "erased", "not kept", "damaged")


@pytest.mark.parametrize("kind", KEPT)
@pytest.mark.parametrize("why", WHYS)
def test_something_is_absent_for_the_reasons_that_it_may_have(
    held: Released, files: Files, kind: str, why: str
) -> None:
    lost = () if kind in {"approvals/", "attestations/"} else ("not kept", "damaged")
    names = [name for name in files if name.startswith(kind) and not name.endswith(".who.json")]
    rows = absent_rows(files, names, why)
    rest = {name: content for name, content in files.items() if name not in names}
    said = found(held, rest, absent=rows)
    assert (said == "") == (why in lost)
    assert said.count(f"is said to be absent, {why}, and that cannot be") == (0 if why in lost else len(names))


@pytest.mark.parametrize("why", WHYS)
def test_who_it_was_is_absent_when_it_was_erased(held: Released, files: Files, why: str) -> None:
    names = [name for name in files if name.endswith(".who.json")]
    rest = {name: content for name, content in files.items() if name not in names}
    assert (found(held, rest, absent=absent_rows(files, names, why)) == "") == (why == "erased")


def test_everything_that_was_kept_is_said_to_be_absent_under_another_name(held: Released, files: Files) -> None:
    """Rows that fit by entry and digest, or by nothing."""
    names = [name for name in files if name.startswith(KEPT)]
    rest = {name: content for name, content in files.items() if name not in names}
    for rows in (
        absent_rows(files, names, "never recorded", what="anything"),
        absent_rows(files, names, "not kept", what="anything"),
        absent_rows(files, names, "not kept", digest=None),
        list[dict[str, Any]](),
    ):
        assert "it is missing, and entry 8 tells of it" in found(held, rest, absent=rows)


def test_what_is_there_cannot_be_absent(held: Released, files: Files) -> None:
    rows = absent_rows(files, ["logs/8-build.log"], "not kept")
    assert "'log' of entry 8 is said to be absent, not kept, and that cannot be" in found(held, files, absent=rows)


def test_sql_that_no_entry_tells_of_is_said_to_be_absent(held: Released, files: Files) -> None:
    at = next(one for one in entries(files) if (one["step"], one["subject"]) == ("expanded", "cloud"))
    fact = {key: value for key, value in at["fact"].items() if key != "sql"}
    name = f"migrations/{at['index']}-cloud.sql"
    forged = rewritten(held, {one: files[one] for one in files if one != name}, {at["index"]: {"fact": fact}})
    assert f"entry {at['index']} tells of no sql, and it is not said to be absent" in judged(held, forged)
    row = {"entry": at["index"], "what": "sql", "digest": None, "why": "never recorded"}
    assert judged(held, held.sealed(forged, absent=[row])) == ""
    other = {**row, "entry": number(files, "deployed")}
    assert "and that cannot be" in judged(held, held.sealed(forged, absent=[row, other]))


@pytest.mark.parametrize("what", ["notes", "cmdb", "opening", "anything"])
def test_what_no_entry_has_the_digest_of(held: Released, files: Files, what: str) -> None:
    row = {"entry": number(files, "cut"), "what": what, "digest": None, "why": "not kept"}
    assert (found(held, files, absent=[row]) == "") == (what == "notes")
    left = {"entry": None, "what": what, "digest": "sha256:" + "0" * 64, "why": "names another tenant"}
    assert "and that cannot be" in found(held, files, absent=[left])
    part = unpack(make(held.world.tools, "r2", "acme").raw)
    rows = json.loads(part[bundle.INDEX])["absent"]
    assert ("and that cannot be" in found(held, part, absent=[*rows, left])) == (what == "anything")


def test_a_log_that_no_entry_tells_of(held: Released, files: Files) -> None:
    assert "no entry of this bundle tells of it" in found(held, {**files, "logs/8-more.log": b"fine"})
    assert "is not the file that entry 8 tells of" in found(held, {**files, "logs/8-build.log": b"fine"})
    del files["logs/8-build.log"]
    assert "logs/8-build.log: it is missing, and entry 8 tells of it" in found(held, files)


def test_a_cut_where_none_may_be(held: Released, files: Files) -> None:
    rows = json.loads(files[bundle.INDEX])["files"]
    row = next(one for one in rows if one["name"] == "logs/8-build.log")
    row["cut"] = {"of": row["digest"], "lines": 1}
    assert "lines are cut from it, although" in found(held, files, files=rows)


def test_an_attestation_by_a_person(held: Released, files: Files) -> None:
    """With a good signature, of a key that may approve and not attest."""
    at = next(one for one in entries(files) if one["step"] == "attested")
    name = next(one for one in files if one.startswith(f"attestations/{at['index']}-"))
    payload = base64.b64decode(json.loads(files[name])["payload"])
    content = canonical(sign_with(held.world.keys["ben"], payload))
    told = {at["index"]: {"fact": {**at["fact"], "envelope": digest(content)}}}
    said = judged(held, rewritten(held, {**files, name: content}, told))
    assert f"{name}: no service in the file of keys made the signature" in said
    del files[name]
    assert f"{name}: it is missing" in found(held, files)


def test_an_attestation_that_is_about_something_else(held: Released, files: Files) -> None:
    at = next(one for one in entries(files) if one["step"] == "attested")
    forged = rewritten(held, files, {at["index"]: {"fact": {**at["fact"], "predicate": "https://other/v1"}}})
    assert "its predicate is not the one of entry" in "\n".join(problems(pack(forged), held.keys))
    other = number(files, "planned")
    forged = rewritten(held, files, {at["index"]: {"fact": {**at["fact"], "of": other}}})
    assert f"is about {at['subject']}, and entry {other} is another" in judged(held, forged)


@pytest.mark.parametrize("of", [0, 10**6, None, "5"])
def test_an_attestation_that_is_about_nothing_here(held: Released, files: Files, of: object) -> None:
    """Entry 0 is another release's: what is said of it proves nothing of this one."""
    at = next(one for one in entries(files) if one["step"] == "attested")
    forged = rewritten(held, files, {at["index"]: {"fact": {**at["fact"], "of": of}}})
    assert f"entry {at['index']} is about entry {of}, which is not in this bundle" in judged(held, forged)


# -- approvals, by somebody who has the service's and the log's key


def judged(held: Released, forged: Files) -> str:
    return "\n".join(problems(pack(forged), held.keys))


def test_an_approval_that_nobody_signed(held: Released, files: Files) -> None:
    at = number(files, "approval")
    fact = next(one["fact"] for one in entries(files) if one["index"] == at)
    envelope = json.loads(json.dumps(fact["envelope"]))
    envelope["signatures"][0]["sig"] = "A" * 86 + "=="
    changed = {**files, bundle.envelope_name(at): canonical(envelope)}
    assert "it lacked 1 release-approver" in judged(
        held, rewritten(held, changed, {at: {"fact": {**fact, "envelope": envelope}}})
    )


def test_an_approval_of_another_mandate(held: Released, files: Files) -> None:
    at, said = number(files, "approval"), Said(release="r2", mandate="sha256:" + "0" * 64)
    fact = next(one["fact"] for one in entries(files) if one["index"] == at)
    envelope = sign_with(held.world.keys["ben"], said.statement(fact["digest"]))
    changed = {**files, bundle.envelope_name(at): canonical(envelope)}
    assert "something else was signed" in judged(
        held, rewritten(held, changed, {at: {"fact": {**fact, "envelope": envelope}}})
    )


def test_an_approval_by_the_starter(held: Released, files: Files) -> None:
    asked = number(files, "mandated")
    who = json.loads(files[who_name(asked)])
    who["personal"]["starter"] = "ben"
    changed = {**files, who_name(asked): canonical(who)}
    assert "who starts a release cannot approve it" in judged(
        held, rewritten(held, changed, {asked: {"payload": digest(canonical(who))}})
    )


def test_who_wrote_it_may_be_erased_and_who_signed_still_counts(held: Released, files: Files) -> None:
    asked = number(files, "mandated")
    gone = {"entry": asked, "what": "who", "digest": digest(files.pop(who_name(asked))), "why": "erased"}
    assert found(held, files, absent=[*json.loads(files[bundle.INDEX])["absent"], gone]) == ""
    assert f"{who_name(asked)}: it is missing" in found(held, files)


@pytest.mark.parametrize("odd", [2**53, float("inf")], ids=str)
def test_an_approval_whose_envelope_has_no_one_spelling(held: Released, files: Files, odd: float) -> None:
    """In personal data, of which the ledger has the digest and nothing else."""
    at = number(files, "approval")
    who = json.dumps({"personal": {"who": "ben", "envelope": {"payload": odd}}}).encode()
    told = {at: {"fact": {"action": "deploy"}, "payload": digest(who)}}
    rest = {name: content for name, content in files.items() if name != bundle.envelope_name(at)}
    said = judged(held, rewritten(held, {**rest, who_name(at): who}, told))
    assert f"what was signed in entry {at} is not here" in said


def test_an_approval_of_which_the_envelope_is_gone(held: Released, files: Files) -> None:
    at = number(files, "approval")
    fact = {"action": "deploy", "assurance": "attested_by_channel", "channel": "slack"}
    less = {name: content for name, content in files.items() if name != bundle.envelope_name(at)}
    said = judged(held, rewritten(held, less, {at: {"fact": fact}}))
    assert f"it lacked 1 release-approver; what was signed in entry {at} is not here" in said


def test_a_deployment_that_nobody_approved(held: Released, files: Files) -> None:
    approved = number(files, "approved")
    said = judged(held, rewritten(held, files, {approved: {"step": "told", "fact": {"progress": "now"}}}))
    assert "cannot follow" in said or "that nobody had approved" in said


def told_instead(held: Released, files: Files, at: int, /, **said: Any) -> Files:
    """Another entry in the place of one, whose files are gone with it."""
    gone = {row["name"] for row in json.loads(files[bundle.INDEX])["files"] if row["entry"] == at}
    rest = {name: content for name, content in files.items() if name not in gone}
    return rewritten(held, rest, {at: {"payload": None, **said}})


def first(files: Files, step: str) -> dict[str, Any]:
    return next(one for one in entries(files) if one["step"] == step)


@pytest.mark.parametrize("step", ["expanding", "expanded"])
def test_a_schema_that_was_changed_before_anybody_had_approved(held: Released, files: Files, step: str) -> None:
    """The table of stages has it at that place, for the database of stage."""
    at, fact = first(files, "expanding")["index"], {"before": ["r1"], "after": ["r1"]}
    assert judged(held, told_instead(held, files, at, step=step, subject="cloud", fact=fact)) == (
        f"{bundle.ENTRIES}: entry {at} is a schema change of cloud that nobody had approved"
    )
    assert judged(held, told_instead(held, files, at, step=step, subject="stage", fact=fact)) == ""


def test_flags_that_were_published_before_anybody_had_approved(held: Released, files: Files) -> None:
    at, flags = first(files, "waiting")["index"], first(files, "flagged")
    forged = told_instead(held, files, at, step="flagged", subject="shop", fact=flags["fact"])
    said = f"{bundle.ENTRIES}: entry {at} is a publication of flags that nobody had approved"
    assert judged(held, forged) == said
    part = unpack(make(held.world.tools, "r2", "acme").raw)
    assert judged(held, told_instead(held, part, at, step="flagged", subject="shop", fact=flags["fact"])) == said


def test_flags_of_another_commit_than_the_one_that_was_approved(held: Released, files: Files) -> None:
    flags = first(files, "flagged")
    other = {**flags["fact"], "commit": first(files, "cut")["fact"]["previous"][0]}
    forged = rewritten(held, files, {flags["index"]: {"fact": other}})
    assert "published flags of another commit than the one that was approved" in judged(held, forged)


def test_a_deployment_of_something_else(held: Released, files: Files) -> None:
    at = number(files, "deployed")
    fact = next(one["fact"] for one in entries(files) if one["index"] == at)
    forged = rewritten(held, files, {at: {"fact": {**fact, "digest": "sha256:" + "0" * 64}}})
    assert "deployed another artifact than the one that was approved" in judged(held, forged)


def test_a_deployment_when_the_mandate_was_over(held: Released, files: Files) -> None:
    at, ends = number(files, "deployed"), first(files, "mandated")["fact"]["ends"]
    fact = next(one["fact"] for one in entries(files) if one["index"] == at)
    forged = rewritten(held, files, {at: {"at": ends, "fact": {**fact, "asked_at": ends}}})
    assert f"at {ends}, and what was approved ended at {ends}" in judged(held, forged)


def test_a_deployment_to_somebody_who_is_not_in_the_mandate(held: Released, files: Files) -> None:
    at = number(files, "planned")
    forged = rewritten(held, files, {at: {"salt": "00" * 16}})
    assert "who is not in the mandate" in judged(held, forged)


def test_a_mandate_that_does_not_have_its_digest(held: Released, files: Files) -> None:
    at = number(files, "mandated")
    fact = next(one["fact"] for one in entries(files) if one["index"] == at)
    other = {**fact, "content": {**fact["content"], "ends": "2030-01-01T00:00:00Z"}}
    assert "is no mandate of this release with its own digest" in judged(
        held, rewritten(held, files, {at: {"fact": other}})
    )
    assert "no mandate" in judged(held, rewritten(held, files, {at: {"fact": {}}}))


def test_a_tenant_that_was_led_back_to_something_unknown() -> None:
    with released() as fresh:
        fresh.world.rollback()
        whole, part = (unpack(make(fresh.world.tools, "r2", tenant).raw) for tenant in (None, "acme"))
        assert judged(fresh, rewritten(fresh, whole, {})) == ""
        back = first(part, "rolled_back")
        other = {"fact": {**back["fact"], "version": "666", "digest": "sha256:" + "6" * 64}}
        for files in (whole, part):
            said = judged(fresh, rewritten(fresh, files, {back["index"]: other}))
            assert said == (
                f"{bundle.ENTRIES}: entry {back['index']} led acme back to what was not proved for this release"
            )


# -- one tenant


def test_the_opening_of_another_tenant(held: Released) -> None:
    acme, birch = (unpack(make(held.world.tools, "r2", name).raw) for name in ("acme", "birch"))
    name = bundle.opening_name(number(acme, "mandated"))
    assert f"{name}: it does not open" in found(held, {**acme, name: birch[name]})
    assert f"{name}: it is no opening" in found(held, {**acme, name: b"[]"})
    less = {other: content for other, content in acme.items() if other != name}
    said = f"{name}: it is missing, and entry {number(acme, 'deployed')} deployed under it"
    assert said in found(held, less)
    elsewhere = bundle.opening_name(number(acme, "approved"))
    assert f"{elsewhere}: it does not open" in found(held, {**less, elsewhere: acme[name]})


def test_an_opening_of_a_mandate_that_was_not_in_force(held: Released) -> None:
    """It opens the first; before the tenant was reached a second was approved, in which it is not."""
    part = unpack(make(held.world.tools, "r2", "acme").raw)
    name, at = bundle.opening_name(number(part, "mandated")), number(part, "waiting")
    again, mine = bundle.opening_name(at), digest(part[name])
    without_it = approved_again(held, part, at, ("sha256:" + "0" * 64,))
    said = f"{again}: it is missing, and entry {number(part, 'deployed')} deployed under it"
    assert judged(held, held.sealed(without_it)) == said
    forged = held.sealed({**without_it, again: part[name]})
    assert judged(held, forged) == f"{again}: it does not open the line of a tenant in the mandate of that entry"
    still_there = approved_again(held, part, at, (mine,))
    assert judged(held, held.sealed({**still_there, again: part[name]})) == ""


def approved_again(held: Released, files: Files, at: int, tenants: tuple[str, ...]) -> Files:
    """A second mandate, over these lines alone, at the place of an entry, and the approvals are of it."""
    given, fact = first(files, "approval"), first(files, "mandated")["fact"]
    made = replace(Mandate.read(fact), tenants=tenants)
    asked = {**fact, **made.fact(), "digest": made.digest, "earlier": [fact["digest"]]}
    said = Said(release="r2", mandate=made.digest)
    envelope = sign_with(held.world.keys["ben"], said.statement(fact["artifact"]))
    approved = first(files, "approved")
    told: dict[int, dict[str, Any]] = {
        at: {"step": "mandated", "fact": asked, "payload": None},
        given["index"]: {"fact": {**given["fact"], "mandate": made.digest, "envelope": envelope}},
        approved["index"]: {"fact": {**approved["fact"], "mandate": made.digest}},
    }
    return rewritten(held, {**files, bundle.envelope_name(given["index"]): canonical(envelope)}, told)


def test_a_bundle_of_two_releases(held: Released, files: Files) -> None:
    """Entries of the one under the index of the other, with good proofs."""
    other = {**entries(files)[0], "index": 0, "release": "install"}
    lines = bundle.lines([canonical(other)]) + files[bundle.ENTRIES]
    said = found(held, {**files, bundle.ENTRIES: lines}, entries=[0, *(one["index"] for one in entries(files))])
    assert "entry 0 is of another release, install" in said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9) | st.just("sha256:" + "0" * 64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 40),
    st.fixed_dictionaries(
        {
            "step": st.sampled_from(sorted(STEPS)),
            "fact": st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5),
            "at": st.sampled_from(["", "2026-11-23", "never", "2026-11-23T08:00:00Z"]),
        }
    ),
)
def test_whatever_an_entry_says_the_answer_is_sentences(
    held: Released, files: Files, which: int, what: dict[str, Any]
) -> None:
    told = entries(files)
    forged = rewritten(held, files, {told[which % len(told)]["index"]: what})
    assert all(": " in each for each in problems(pack(forged), held.keys))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 40), st.sampled_from(KEYS), JSON)
def test_whatever_one_word_of_an_entry_becomes(
    held: Released, files: Files, which: int, key: str, value: object
) -> None:
    told = entries(files)
    one = told[which % len(told)]
    forged = rewritten(held, files, {one["index"]: {"fact": {**one["fact"], key: value}}})
    assert all(": " in each for each in problems(pack(forged), held.keys))
