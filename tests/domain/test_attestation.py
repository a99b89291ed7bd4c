"""What a fact says when it is signed: each step is decided about, statements are what the specifications want, and
none names whom it is not about.
"""

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain import predicates as made
from stationmaster.domain.attestation import TABLE, UNSIGNED, owed
from stationmaster.domain.entries import STEPS, Draft, Entry, canonical
from stationmaster.domain.gates import GATE, SVR
from stationmaster.domain.statement import ENTRY, About, Statement
from tests.attested import ARTIFACT, COMMIT, RELEASE, SOURCE, STORY, TENANTS, entries
from tests.entries import add

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # protobuf's about its own generated code
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement as Oracle

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "attestations.md"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ALL = list(owed(entries(), SOURCE))
ids = pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.of}-{one.about}-{kind_of(one)}")


def kind_of(one: Statement) -> str:
    return one.predicate_type.split("/")[-2]


def of(about: str, predicate_type: str) -> dict[str, Any]:
    """The predicate about the first such entry."""
    return dict(
        next(one for one in ALL if (one.about, one.predicate_type) == (about, predicate_type)).content["predicate"]
    )


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def test_each_step_of_the_ledger_is_attested_or_says_why_not() -> None:
    assert set(STEPS) == {*TABLE, *UNSIGNED}
    assert not {*TABLE} & {*UNSIGNED}
    assert all(UNSIGNED.values())


def test_the_story_has_every_step_and_predicate_of_the_table() -> None:
    wanted = {(step, row.predicate_type) for step, rows in TABLE.items() for row in rows}
    assert {(one.about.partition("/")[0], one.predicate_type) for one in ALL} == wanted


@ids
def test_it_is_a_statement_in_canonical_bytes_with_whole_numbers(one: Statement) -> None:
    raw = one.canonical()
    content = json.loads(raw)
    assert canonical(content) == raw
    assert content["_type"] == "https://in-toto.io/Statement/v1"
    assert not [leaf for leaf in leaves(content) if isinstance(leaf, float)]
    assert None not in leaves(content)


@ids
def test_it_parses_with_in_toto_attestation(one: Statement) -> None:
    parsed = json_format.Parse(one.canonical(), statement_pb2.Statement())
    Oracle.copy_from_pb(parsed).validate()
    assert parsed.predicate_type == one.predicate_type


@ids
def test_its_subject_is_the_artifact_or_the_commit_and_says_which_entry(one: Statement) -> None:
    (subject,) = one.content["subject"]
    digest = {"gitCommit": COMMIT} if one.about.startswith("cut/") else {"sha256": ARTIFACT.removeprefix("sha256:")}
    assert subject["digest"] == digest
    note = subject["annotations"][ENTRY]
    assert (note["release"], note["index"], note["step"]) == (RELEASE, one.of, one.about.partition("/")[0])
    assert re.fullmatch(r"[0-9a-f]{64}", note["leaf"])


@ids
def test_it_names_no_tenant_but_the_one_it_is_about(one: Statement) -> None:
    """Not even in a reason or a key that a person wrote."""
    step, _, subject = one.about.partition("/")
    told = one.canonical().decode()
    assert [name for name in TENANTS if name in told and name != subject] == []
    if subject in TENANTS:
        assert step in {"deployed", "rolled_back", "consented", "expanded"}


@ids
def test_what_has_a_published_schema_fits_it(one: Statement) -> None:
    """Strictly: an unknown field is an error; fields of ours are named by an address."""
    message = {made.PROVENANCE: provenance_pb2.Provenance, made.TEST_RESULT: test_result_pb2.TestResult}
    if one.predicate_type in message:
        plain = {name: value for name, value in one.content["predicate"].items() if "://" not in name}
        json_format.ParseDict(plain, message[one.predicate_type]())


@ids
def test_what_its_specification_requires_is_there(one: Statement) -> None:
    said = one.content["predicate"]
    if one.predicate_type == SVR:
        assert said["verifier"]["id"].startswith("https://")
        assert all(policy["digest"] for policy in said["verifier"]["policies"])
        assert TIMESTAMP.fullmatch(said["timeCreated"])
        assert all(re.fullmatch(r"STATIONMASTER_[A-Z_]+", name) for name in said["properties"])
    elif one.predicate_type == made.REFERENCE:
        assert said["attester"]["id"].startswith("https://")
        assert said["references"]
        for reference in said["references"]:
            assert reference["downloadLocation"]
            assert reference["mediaType"]
            assert reference.get("uri") or reference.get("digest")
    elif one.predicate_type == made.VULNS:
        assert TIMESTAMP.fullmatch(said["scanner"]["db"]["lastUpdate"])
        assert all(row["id"] and row["severity"][0]["method"] for row in said["scanner"]["result"])
        assert {*said["metadata"]} == {"scanStartedOn", "scanFinishedOn"}


def test_a_build_says_from_which_commit_it_came_and_by_which_address() -> None:
    said = of(f"built/{RELEASE}", made.PROVENANCE)
    assert said["buildDefinition"]["resolvedDependencies"] == [
        {"name": "orderdesk", "uri": "git+https://code.example/orderdesk@main", "digest": {"gitCommit": COMMIT}}
    ]
    (hidden,) = [one for one in owed(entries()) if one.predicate_type == made.PROVENANCE]
    assert "uri" not in hidden.content["predicate"]["buildDefinition"]["resolvedDependencies"][0]


def test_a_quarantined_test_that_failed_is_a_warning_and_one_that_passed_is_none() -> None:
    said = of(f"tested/{RELEASE}", made.TEST_RESULT)
    assert (said["result"], said["passedTests"]) == ("WARNED", ["unit", "lint"])
    assert said["warnedTests"] == ["unit/tests/test_totals.py::test_rounding"]
    assert said["failedTests"] == []


def test_only_a_good_ring_is_healthy() -> None:
    good, bad = of("verdict/pilot", SVR), of("verdict/broad", SVR)
    assert (good["properties"], bad["properties"]) == (["STATIONMASTER_RING_HEALTHY"], [])


def test_approvals_are_counted_and_one_alone_is_no_quorum() -> None:
    said = of(f"approved/{RELEASE}", SVR)
    assert said["properties"] == ["STATIONMASTER_APPROVED"]
    assert said[GATE]["roles"] == {"release-approver": 2, "dba": 1}
    alone = {"roles": ["incident-commander"], "emergency": True}
    story = tuple((step, subject, alone if step == "approved" else fact) for step, subject, fact in STORY)
    (found,) = [one for one in owed(entries(story)) if one.about.startswith("approved/")]
    assert found.content["predicate"]["properties"] == ["STATIONMASTER_APPROVED_ALONE_IN_EMERGENCY"]


def test_a_scan_says_clean_only_of_what_was_clean_and_nothing_of_what_was_not_looked_up() -> None:
    assert of(f"scanned/{RELEASE}", SVR)["properties"] == ["STATIONMASTER_SCANNED", "STATIONMASTER_NO_NEW_SECRETS"]
    fact = {**{step: fact for step, _, fact in STORY}["scanned"]}
    without = {"result": "not scanned: no advisory database", "database": None, "digest": ARTIFACT}
    blind = {
        **fact["vulnerabilities"],
        "result": "not scanned: no part could be looked up",
        "found": [],
        "unmatched": 14,
    }
    for scan in (without, blind):
        told = {**fact, "vulnerabilities": scan}
        story = tuple((step, subject, told if step == "scanned" else own) for step, subject, own in STORY)
        found = [one.predicate_type for one in owed(entries(story)) if one.about.startswith("scanned/")]
        assert found == [SVR, made.REFERENCE]


def test_a_scan_that_could_not_say_something_of_each_part_says_of_how_many() -> None:
    assert of(f"scanned/{RELEASE}", made.VULNS)[made.SCAN] == {"result": "1 known", "parts": 14, "unmatched": 0}


def test_a_database_in_which_nothing_ran_was_not_read() -> None:
    assert [kind_of(one) for one in ALL if one.about == "expanded/cedar"] == ["migration"]
    assert {kind_of(one) for one in ALL if one.about == "expanded/cloud"} == {"svr", "migration"}


def test_what_is_recorded_is_not_owed_any_more() -> None:
    told = entries()
    for one in ALL:
        fact = {"of": one.of, "predicate": one.predicate_type, "envelope": ARTIFACT}
        add(told, Draft(release=RELEASE, step="attested", subject=one.about, inputs=fact, fact=fact))
    assert list(owed(told, SOURCE)) == []
    without = told[:-1]
    assert [one.predicate_type for one in owed(without, SOURCE)] == [ALL[-1].predicate_type]


@given(st.integers(0, len(STORY)))
def test_at_any_time_what_is_owed_is_what_will_be_said_later(length: int) -> None:
    """A statement depends on nothing that comes after, so one that was lost is made again to the same bytes."""
    early = list(owed(entries()[:length], SOURCE))
    late = [one for one in ALL if one.of < length]
    assert [one.canonical() for one in early] == [one.canonical() for one in late]


def test_before_anything_is_cut_there_is_nothing_to_say() -> None:
    assert About.of([]) is None
    assert list(owed(entries()[:1])) == []


def test_before_it_is_built_only_the_commit_has_a_statement() -> None:
    (one,) = owed(entries()[:2])
    assert one.about == f"cut/{RELEASE}"


def test_what_is_not_signed_has_none() -> None:
    unsigned = {entry.index for entry in entries() if entry.step in UNSIGNED}
    assert len(unsigned) == 3
    assert not unsigned & {one.of for one in ALL}


def first_of(step: str) -> Entry:
    return next(entry for entry in entries() if entry.step == step)


def test_older_facts_have_statements_too() -> None:
    """Before logs were kept, times recorded and mandates laid down."""
    old: dict[str, dict[str, Any]] = {
        "built": {"digest": ARTIFACT, "size": 1, "seconds": 1.5},
        "tested": {"checks": [{"name": "unit", "seconds": 1.0}]},
        "expanded": {"before": [], "after": ["e1"]},
        "approved": {"roles": ["release-approver"]},
        "deployed": {"version": "1", "digest": ARTIFACT, "commit": COMMIT, "instance": "cloud", "colour": "a"},
        "rolled_back": {"version": "1", "digest": ARTIFACT, "commit": COMMIT},
    }
    story = tuple((step, subject, old.get(step, fact)) for step, subject, fact in STORY)
    for one in owed(entries(story)):
        assert None not in leaves(json.loads(one.canonical()))


def examples() -> list[dict[str, Any]]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)]


def test_each_example_of_the_page_is_what_the_code_makes_and_each_predicate_has_one() -> None:
    known = {(one.of, one.predicate_type): json.loads(one.canonical()) for one in ALL}
    shown = [example for example in examples() if example.get("_type")]
    for example in shown:
        index = example["subject"][0]["annotations"][ENTRY]["index"]
        assert example == known[index, example["predicateType"]]
    assert {example["predicateType"] for example in shown} == {one.predicate_type for one in ALL}


def test_the_page_lists_what_each_step_has_and_why_others_have_none() -> None:
    page = PAGE.read_text()
    for step, rows in TABLE.items():
        assert re.search(rf"^\| `{step}` \|.*{'.*'.join(kind(row.predicate_type) for row in rows)}", page, re.MULTILINE)
    for step, reason in UNSIGNED.items():
        assert re.search(rf"^\| .*`{step}`.*\| {re.escape(reason)} \|$", page, re.MULTILINE), step


def kind(predicate_type: str) -> str:
    return predicate_type.split("/")[-2]
