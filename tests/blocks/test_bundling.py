"""What is in a bundle, and for one tenant what is not: no word of another, in any spelling, in any file."""

import base64
import json
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from stationmaster.blocks.bundle_log import LogBrokenError
from stationmaster.blocks.bundling import TenantNamedError, UnconcernedError, make
from stationmaster.blocks.checkpoints import origin
from stationmaster.domain import bundle
from stationmaster.domain.bundle import Index
from stationmaster.domain.checkpoint import Checkpoint, parse
from stationmaster.domain.container import pack, unpack
from stationmaster.domain.documents import read
from stationmaster.domain.entries import LOG, digest
from stationmaster.domain.others import words_of
from stationmaster.domain.release import UnknownReleaseError
from stationmaster.domain.tenants import Directory
from stationmaster.domain.verify import problems
from tests.bundles import JUNIT, Released, keys_of, opened, released
from tests.shop import OPEN
from tests.world import Killed, World

SANDBOX = Path(__file__).parents[2] / "deployments/sandbox/tenants.yaml"


@pytest.fixture(scope="module")
def held() -> Iterator[Released]:
    with released() as found:
        yield found


@pytest.fixture
def fresh() -> Iterator[Released]:
    """One that a test may harm."""
    with released() as found:
        yield found


def absent(index: Index) -> set[tuple[str, str]]:
    return {(one.what, one.why) for one in index.absent}


# -- what is in it


def test_everything_that_was_kept_is_in_it(held: Released) -> None:
    made = make(held.world.tools, "r2")
    files = unpack(made.raw)
    folders = {name.partition("/")[0] for name in files}
    assert folders == {
        "VERIFY.md", "approvals", "attestations", "cmdb", "controls.md", "log", "logs", "migrations", "notes",
        "release.json", "release.json.dsse", "reports", "sbom.cdx.json", "scans",
    }  # fmt: skip
    assert next(content for name, content in files.items() if name.startswith("reports/")) == JUNIT
    assert files["notes/v2.md"] == b"---\nkind: added\n---\nWhat v2 brings.\n"
    assert json.loads(files["approvals/3.who.json"])["personal"] == {"who": "ana"}
    assert (made.index.state, made.index.tenant, made.index.hidden, made.index.absent) == ("released", None, (), ())


def test_the_index_lists_every_file_with_its_digest(held: Released) -> None:
    made = make(held.world.tools, "r2")
    files = unpack(made.raw)
    assert {row.name for row in made.index.files} == set(files) - bundle.UNLISTED
    assert all((row.digest, row.size) == (digest(files[row.name]), len(files[row.name])) for row in made.index.files)
    assert files[bundle.INDEX] == made.index.canonical()


def test_the_same_evidence_is_the_same_bundle(held: Released) -> None:
    for tenant in (None, "acme"):
        assert make(held.world.tools, "r2", tenant).raw == make(held.world.tools, "r2", tenant).raw


def test_other_programs_read_it(held: Released) -> None:
    with zipfile.ZipFile(BytesIO(make(held.world.tools, "r2").raw)) as archive:
        assert archive.testzip() is None


def test_its_checkpoint_is_the_newest_that_was_published(held: Released) -> None:
    note = held.world.ledger.entries(LOG)[-1].fact["note"]
    files = unpack(make(held.world.tools, "r2").raw)
    assert files[bundle.CHECKPOINT].decode() == note
    assert len(files[bundle.LEAVES]) == 32 * parse(note).checkpoint.size


def test_an_entry_that_came_since_gets_a_checkpoint_of_its_own(fresh: Released) -> None:
    fresh.append("told", "r2", {"progress": "later"})
    made = make(fresh.world.tools, "r2")
    assert made.index.checkpoint.size == fresh.world.ledger.size()
    assert problems(made.raw, fresh.keys) == []


@pytest.mark.slow
def test_what_the_gates_leave_by_themselves_is_good(tmp_path: Path) -> None:
    """In a world whose ledger nobody helps: approved, kept, attested, sealed and published by the flow alone."""
    made = World(tmp_path)
    made.commit("v2")
    keys = keys_of(made)
    made.release()
    whole = make(made.tools, "r2")
    files = unpack(whole.raw)
    assert problems(whole.raw, keys) == []
    assert whole.index.absent == ()
    assert b'"step":"closed"' in files[bundle.ENTRIES]
    assert files[bundle.CHECKPOINT].decode() == made.ledger.entries(LOG)[-1].fact["note"]
    assert {name.partition("/")[0] for name in files} >= {
        "approvals", "attestations", "cmdb", "logs", "migrations", "notes", "sbom.cdx.json", "scans",
    }  # fmt: skip
    told = [entry for entry in made.ledger.entries("r2") if entry.step == "attested"]
    names = {str(entry.subject).partition("/")[0] for entry in told}
    assert names >= {"cut", "built", "tested", "scanned", "mandated", "approved", "expanded", "deployed", "released"}
    assert len([name for name in files if name.startswith("attestations/")]) == len(told)
    for tenant in made.production():
        part = make(made.tools, "r2", tenant)
        assert problems(part.raw, keys) == []
        assert found_in(part.raw, others(made.tools.tenants.read(), tenant)) == set()
    made.ledger.close()


# -- every state


@pytest.mark.parametrize("legs", [0, 1])
def test_an_open_release_bundles_too(legs: int) -> None:
    with opened() as found:
        found.world.start()
        if legs:
            found.world.approve()
        made = make(found.world.tools, "r2")
        assert made.index.state == "open"
        assert problems(made.raw, found.keys) == []


@pytest.mark.slow
def test_what_was_aborted_and_what_was_rolled_back_bundle(fresh: Released) -> None:
    fresh.world.rollback()
    made = make(fresh.world.tools, "r2")
    assert made.index.state == "rolled_back"
    assert problems(made.raw, fresh.keys) == []
    with opened() as found:
        found.world.start()
        found.world.abort()
        for state in ("open", "aborted"):  # nobody worked on it: the next leg closes its evidence
            made = make(found.world.tools, "r2")
            assert made.index.state == state
            assert problems(made.raw, found.keys) == []
            found.world.start()


@pytest.mark.slow
@pytest.mark.parametrize("since", ["nothing", "a tenant"])
def test_a_leg_that_died_before_it_said_what_it_did_leaves_a_good_bundle(since: str) -> None:
    """Who goes on does it again, or finds it done while a new mandate is to be approved."""
    with opened() as found:
        world = found.world
        world.start()
        world.approve()
        world.power.trap = lambda when, call, args: (when, call) == ("after", "target.shift") and "acme" in args[0]
        with pytest.raises(Killed):
            world.start()
        world.power.on()
        world.clock.sleep(31)
        if since == "a tenant":
            more = f"  - {{id: dara, name: Dara, ring: broad, {OPEN}}}\n"
            world.directory.write_text(world.directory.read_text() + more)
            world.start()
            world.approve()
        assert world.start().name == "Released"
        assert [entry.fact.get("found") for entry in world.ledger.history("deployed", "acme")] == [
            True if since == "a tenant" else None
        ]
        for tenant in (None, *world.production()):
            made = make(world.tools, "r2", tenant)
            assert problems(made.raw, found.keys) == []
            openings = [name for name in unpack(made.raw) if name.startswith(bundle.OPENINGS)]
            mandates = len([one for one in world.ledger.entries("r2") if one.step == "mandated"])
            assert mandates == (2 if since == "a tenant" else 1)
            assert len(openings) == (0 if tenant is None else 1 if tenant == "dara" else mandates)


@pytest.mark.slow
def test_two_releases_are_two_bundles(fresh: Released) -> None:
    fresh.world.clock.sleep(60)
    fresh.world.commit("v3")
    fresh.world.release("r3", "v3")
    for release in ("r2", "r3"):
        assert problems(make(fresh.world.tools, release).raw, fresh.keys) == []


# -- what is not there is told


def test_what_was_lost_or_damaged_is_told(fresh: Released) -> None:
    store = Path(fresh.world.tools.evidence.root)
    log = fresh.world.last("built").fact["log"]
    scan = fresh.world.last("scanned").fact["secrets"]["digest"]
    address = {one: store / "sha256" / one[7:9] / one[7:] for one in (log, scan)}
    address[log].unlink()
    address[scan].chmod(0o644)
    address[scan].write_text("changed")
    made = make(fresh.world.tools, "r2")
    assert absent(made.index) == {("log", "not kept"), ("secrets.digest", "damaged")}
    assert problems(made.raw, fresh.keys) == []


@pytest.mark.slow
@pytest.mark.parametrize("step", ["consented", "declined"])
def test_what_proves_the_word_of_a_customer_is_in_it_or_told(fresh: Released, step: str) -> None:
    mail = fresh.world.tools.evidence.keep(b"From: anna@acme\n\nYes, please.\n")
    said = {"by": "by record", "digest": fresh.world.last("built").fact["digest"], "proof": mail, "reason": "a mail"}
    at = fresh.append(step, "acme", said)
    name = f"consents/{at.index}-acme"
    for tenant in (None, "acme"):
        made = make(fresh.world.tools, "r2", tenant)
        assert digest(unpack(made.raw)[name]) == mail
        assert problems(made.raw, fresh.keys) == []
        less = {other: content for other, content in unpack(made.raw).items() if other != name}
        assert f"{name}: it is missing" in problems(pack(fresh.sealed(less)), fresh.keys)[0]
    assert name not in unpack(make(fresh.world.tools, "r2", "birch").raw)
    (Path(fresh.world.tools.evidence.root) / "sha256" / mail[7:9] / mail[7:]).unlink()
    made = make(fresh.world.tools, "r2")
    assert ("proof", "not kept") in absent(made.index)
    assert problems(made.raw, fresh.keys) == []


def test_what_was_erased_is_told_and_the_rest_is_proved(fresh: Released) -> None:
    with fresh.world.ledger.engine.begin() as connection:
        connection.execute(text("DELETE FROM payloads"))
    made = make(fresh.world.tools, "r2")
    assert absent(made.index) == {("who", "erased")}
    assert not any(name.endswith(".who.json") for name in unpack(made.raw))
    assert problems(made.raw, fresh.keys) == []


def test_what_lies_there_instead_of_personal_data_is_told_and_not_handed_on(fresh: Released) -> None:
    wrong = next(entry for entry in fresh.world.ledger.entries("r2") if entry.step == "confirmed")
    with fresh.world.ledger.engine.begin() as connection:
        connection.execute(text('DELETE FROM payloads WHERE "index" = :index'), {"index": wrong.index})
        told = {"index": wrong.index, "content": b'{"personal": {"who": "mallory"}}'}
        connection.execute(text('INSERT INTO payloads ("index", content) VALUES (:index, :content)'), told)
    made = make(fresh.world.tools, "r2")
    assert [(one.entry, one.digest) for one in made.index.absent if one.why == "damaged"] == [
        (wrong.index, wrong.payload)
    ]
    assert not any(b"mallory" in content for content in unpack(made.raw).values())
    assert any(name.endswith(".who.json") for name in unpack(made.raw))
    flaws = [str(one) for one in problems(made.raw, fresh.keys)]
    assert len(flaws) == 1, flaws
    assert "damaged" in flaws[0]


def test_a_source_that_forgot_the_release_loses_its_notes_alone(fresh: Released) -> None:
    fresh.world.source.commits.clear()
    made = make(fresh.world.tools, "r2")
    assert absent(made.index) == {("notes", "not kept")}
    assert problems(made.raw, fresh.keys) == []


def test_a_release_that_nobody_knows_has_none(held: Released) -> None:
    with pytest.raises(UnknownReleaseError):
        make(held.world.tools, "r9")
    with pytest.raises(UnknownReleaseError):
        make(held.world.tools, "install")


@pytest.mark.slow
def test_a_ledger_that_is_not_the_published_one_gives_none(fresh: Released) -> None:
    forged = fresh.world.tools.signer.checkpoint(Checkpoint(origin("shop"), 5, b"x" * 32))
    fresh.append("checkpointed", "5", {"size": 5, "note": forged}, LOG)
    with pytest.raises(LogBrokenError):
        make(fresh.world.tools, "r2")


# -- one tenant


def others(directory: Directory, tenant: str) -> set[str]:
    mine = next(one for one in directory.tenants if one.id == tenant)
    return {word for one in directory.tenants if one.id != tenant for word in words_of(one)} - words_of(mine)


def found_in(raw: bytes, words: set[str]) -> set[str]:
    """Words that are anywhere in the bytes, or in what any base64 in them says: looked for in another way than the
    bundle's own. Four letters stand in one signature of thousands by chance, so that short words are not looked for in
    what is nothing but a key, a digest or base64; in what that says they are.
    """
    texts, seen = [raw], set[str]()
    for _ in range(3):
        runs = [run for one in texts for run in re.findall(rb"[A-Za-z0-9+/]{12,}={0,2}", one)]
        texts += [base64.b64decode(run[: len(run) // 4 * 4]) for run in runs]
    for one in texts:
        known, plain = one.lower(), re.sub(rb"[A-Za-z0-9+/=]{40,}", b" ", one).lower()
        seen |= {word for word in words if word.lower().encode() in (known if len(word) > 5 else plain)}
    return seen


def test_what_looks_for_words_finds_them() -> None:
    hidden = base64.b64encode(b'{"who": "Kowalski Meble"}')
    assert found_in(b"x" + hidden + b"x " + hidden, {"Kowalski Meble", "karoo"}) == {"Kowalski Meble"}
    assert found_in(b"the KAROO wool", {"karoo"}) == {"karoo"}
    assert found_in(base64.b64encode(b"x" * 40 + b" karoo"), {"karoo"}) == {"karoo"}
    assert found_in(b"Q" * 40 + b"kArOo", {"karoo"}) == set()


@pytest.mark.parametrize("tenant", ["acme", "birch", "cedar"])
def test_the_bundle_of_one_names_no_other(held: Released, tenant: str) -> None:
    made = make(held.world.tools, "r2", tenant)
    directory = held.world.tools.tenants.read()
    assert found_in(made.raw, others(directory, tenant)) == set()
    assert tenant.encode() in made.raw
    assert found_in(make(held.world.tools, "r2").raw, others(directory, tenant)) >= {"Acme", "Birch", "Cedar"} - {
        tenant.title()
    }


def test_what_concerns_it_is_there_and_the_rest_is_counted(held: Released) -> None:
    made, whole = make(held.world.tools, "r2", "cedar"), make(held.world.tools, "r2")
    files = unpack(made.raw)
    steps = {(one["step"], one["subject"]) for one in map(json.loads, files[bundle.ENTRIES].splitlines())}
    assert {("deployed", "cedar"), ("expanded", "cedar"), ("mandated", "r2"), ("approved", "r2")} <= steps
    assert not {("planned", "r2"), ("verdict", "pilot"), ("promoted", "broad")} & steps
    assert sorted((*made.index.entries, *made.index.hidden)) == sorted(whole.index.entries)
    at = next(entry.index for entry in held.world.ledger.entries("r2") if entry.step == "mandated")
    opened = json.loads(files[bundle.opening_name(at)])
    assert (opened["tenant"], opened["ring"], opened["order"]) == ("cedar", "broad", 1)


@pytest.mark.slow
def test_logs_are_cut_by_lines_and_the_cut_is_in_the_index(held: Released) -> None:
    made, whole = (make(held.world.tools, "r2", tenant) for tenant in ("cedar", None))
    name = next(row.name for row in made.index.files if row.name.endswith("-build.log"))
    row, before = (next(one for one in each.index.files if one.name == name) for each in (made, whole))
    assert unpack(made.raw)[name] == b"built r2\nCEDAR answers\nnothing else\n"
    assert row.cut == bundle.Cut(of=before.digest, lines=1)


@pytest.mark.slow
def test_reports_and_fragments_that_name_another_are_left_out(fresh: Released) -> None:
    """A fragment is written freely; so is a check's report."""
    commit = fresh.world.source.commits[fresh.world.source.refs["v2"]]
    commit["changes/for-birch.md"] = "---\nkind: fixed\n---\nFor somebody.\n"
    commit["changes/fix.md"] = "---\nkind: fixed\n---\nWhat Birch asked for.\n"
    with pytest.raises(TenantNamedError, match=r"notes/for-birch\.md"):
        make(fresh.world.tools, "r2", "acme")
    del commit["changes/for-birch.md"]
    made = make(fresh.world.tools, "r2", "acme")
    assert absent(made.index) == {("notes", "names another tenant")}
    assert "notes/fix.md" in unpack(make(fresh.world.tools, "r2", "birch").raw)


def test_a_tenant_that_left_the_directory_is_still_nobody_elses_business(fresh: Released) -> None:
    rows = [one for one in fresh.world.tools.tenants.read().tenants if one.id == "acme"]
    fresh.world.directory.write_text(f"tenants: [{{id: acme, name: {rows[0].name}, ring: pilot, {OPEN}}}]")
    assert found_in(make(fresh.world.tools, "r2", "acme").raw, {"birch", "cedar"}) == set()


def test_nobody_gets_a_bundle_of_what_does_not_concern_them(fresh: Released) -> None:
    with pytest.raises(UnconcernedError) as caught:
        make(fresh.world.tools, "r2", "acne")
    assert caught.value.hint == "did you mean 'acme'?"
    more = fresh.world.directory.read_text() + f"  - {{id: dara, name: Dara, ring: broad, {OPEN}}}\n"
    fresh.world.directory.write_text(more)
    with pytest.raises(UnconcernedError, match="concerns dara"):
        make(fresh.world.tools, "r2", "dara")


def test_a_product_that_is_called_like_a_tenant_is_refused_rather_than_told(fresh: Released) -> None:
    more = fresh.world.directory.read_text() + f"  - {{id: shop, name: Shop, ring: broad, {OPEN}}}\n"
    fresh.world.directory.write_text(more)
    with pytest.raises(TenantNamedError, match=r"release\.json"):
        make(fresh.world.tools, "r2", "acme")


# -- the sandbox's directory: fourteen tenants with names, sites and contacts as people have them


@pytest.mark.slow
def test_no_tenant_of_the_sandbox_is_in_the_bundle_of_another(fresh: Released) -> None:
    fresh.world.directory.write_text(SANDBOX.read_text())
    directory = read(Directory, SANDBOX.read_text(), "tenants.yaml").value
    rolled_out(fresh, directory)
    for tenant in directory.tenants:
        made = make(fresh.world.tools, "r7", tenant.id)
        assert found_in(made.raw, others(directory, tenant.id)) == set(), tenant.id
        assert tenant.id.encode() in made.raw
        assert any(name.endswith(f"-deploy-{tenant.id}.log") for name in unpack(made.raw))
        assert {"names another tenant"} == {one.why for one in made.index.absent if one.what != "notes"}


def rolled_out(held: Released, directory: Directory) -> None:
    """A release to all of them, which talks about everybody wherever it can."""
    everybody = "; ".join(f"{one.name} ({one.id}, {', '.join(one.sites)}, {one.contacts})" for one in directory.tenants)
    rings: dict[str, list[str]] = {}
    for one in directory.tenants:
        rings.setdefault(one.ring, []).append(one.id)
    waves: list[dict[str, Any]] = [
        {
            "ring": ring,
            "name": ring,
            "number": 1,
            "tenants": ids,
            "instances": {"cloud": ids},
            "start": None,
            "end": None,
        }
        for ring, ids in rings.items()
    ]
    envelope = {"payload": base64.b64encode(everybody.encode()).decode(), "signatures": []}
    attested = held.world.tools.evidence.keep(json.dumps(envelope).encode())
    report = held.world.tools.evidence.keep(everybody.encode())
    for step, fact in (
        ("confirmed", {"product": "shop", "kind": "train", "ref": "main", "assurance": "signed"}),
        ("cut", {"commit": "0", "previous": [], "changes": [{"commit": "0", "subject": everybody}], "version": "7"}),
        ("built", {"digest": "sha256:" + "7" * 64}),
        ("tested", {"checks": [{"name": "smoke", "report": report}]}),
        ("staged", {"revision": "r2"}),
        ("planned", {"waves": waves, "placements": []}),
        ("approved", {"roles": []}),
        ("briefed", {"channel": "releases"}),
        ("attested", {"predicate": "x", "of": 0, "envelope": attested}),
    ):
        held.append(step, "r7", fact, "r7")
    for wave in waves:
        for tenant in wave["tenants"]:
            held.append("deployed", str(tenant), {"digest": "sha256:" + "7" * 64, "version": "7"}, "r7")
        verdict = {"verdict": "promote", "tenants": wave["tenants"], "reason": everybody}
        held.append("promoted", str(wave["ring"]), verdict, "r7")
