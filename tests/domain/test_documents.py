"""Wrong files are answered with file, line and the nearest right spelling, all problems at once."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.approvers import Approvers
from stationmaster.domain.documents import DocumentError, check_directory, read, schema
from stationmaster.domain.errors import Exit, InputError
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory

PRODUCT = """\
product: orderdesk
build:
  command: [python, build.py]
  output: dist/orderdesk.pyz
service:
  command: [python, "{artifact}"]
rings:
  - name: pilot
    watch: 30s
  - {name: general, watch: 5m}
journeys:
  - name: log-in
    steps:
      - {name: log in, path: /login, method: POST}
hard_limits:
  availability: {max_bad: 0.05, min_count: 20}
approvals:
  deploy: {release-approver: 1}
"""
TENANTS = """\
tenants:
  - id: acme
    name: Acme GmbH
    ring: pilot
    timezone: Europe/Berlin
  - id: bolt
    name: Bolt
    ring: general
"""


def problems(text: str, model: type[Product] | type[Directory] | type[Approvers] = Product) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read(model, text, "some.yaml")
    return str(caught.value).splitlines()


def product() -> Product:
    return read(Product, PRODUCT, "stationmaster.yaml").value


def test_a_good_product_is_read_with_its_durations() -> None:
    assert [ring.watch for ring in product().rings] == [30, 300]


def test_a_document_knows_where_its_parts_stand() -> None:
    document = read(Directory, TENANTS, "tenants.yaml")
    assert (document.line("tenants", 0, "timezone"), document.line("tenants", 1, "timezone")) == (5, 6)


def test_an_unknown_key_names_line_and_nearest_key() -> None:
    assert problems(PRODUCT.replace("  output:", "  outptu:")) == [
        "some.yaml:2: missing key 'output' in build (The file the command leaves, relative to the export.)",
        "some.yaml:4: unknown key 'outptu' in build (did you mean 'output'?)",
    ]


def test_an_unknown_key_deep_in_a_list_names_where() -> None:
    (said,) = problems(PRODUCT.replace("path: /login, method", "path: /login, metod"))
    assert said == "some.yaml:14: unknown key 'metod' in journeys[1].steps[1] (did you mean 'method'?)"


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("restore: {dba: 1}", "approvals.restore: nothing is killed and turned on again yet"),
        ("rules: [{action: restore, quorum: {qa: 1}}]", "approvals.rules[1].action: nothing is killed"),
        ("rules: [{action: deploy, environment: stage, quorum: {qa: 1}}]",
         "approvals.rules[1].environment: only production asks for approvals yet; take this out"),
    ],
)  # fmt: skip
def test_a_quorum_that_nothing_would_ask_for_is_refused_at_its_line(line: str, place: str) -> None:
    (said,) = problems(f"{PRODUCT}  {line}\n")
    assert said.startswith(f"some.yaml:{len(PRODUCT.splitlines()) + 1}: {place}")
    assert "take " in said


def test_a_wrong_choice_names_the_nearest() -> None:
    (said,) = problems(PRODUCT.replace("method: POST", "method: PSOT"))
    assert said == "some.yaml:14: journeys[1].steps[1].method: 'PSOT' is not known (did you mean 'POST'?)"


def test_a_wrong_key_of_a_closed_mapping_names_the_nearest() -> None:
    (said,) = problems(PRODUCT.replace("availability:", "availabilty:"))
    assert said == "some.yaml:16: unknown key 'availabilty' in hard_limits (did you mean 'availability'?)"


def test_a_bad_duration_says_how_durations_are_written() -> None:
    (said,) = problems(PRODUCT.replace("30s", "30 sec"))
    assert "some.yaml:9: rings[1].watch: '30 sec' is not a duration; write 90s, 45m, 2h or 3d" in said


def test_a_command_given_as_text_asks_for_a_list() -> None:
    (said,) = problems(PRODUCT.replace("[python, build.py]", "python build.py"))
    assert said.startswith("some.yaml:3: build.command: must be a list")


def test_a_number_where_text_belongs_asks_for_quotes() -> None:
    (said,) = problems(PRODUCT.replace("dist/orderdesk.pyz", "12"))
    assert said.startswith("some.yaml:4: build.output: must be text; write quotes around 12")


def test_all_problems_are_told_at_once_in_the_order_of_lines() -> None:
    broken = PRODUCT.replace("30s", "soon").replace("method: POST", "method: SEND").replace("0.05", "7")
    lines = [int(said.split(":")[1]) for said in problems(broken)]
    assert lines == [9, 14, 16]


def test_a_list_whose_items_are_wrong_is_not_called_empty_too() -> None:
    (said,) = problems(PRODUCT.replace("{name: log in, path: /login, method: POST}", "{name: log in}"))
    assert "missing key 'path'" in said


def test_an_empty_list_is_called_empty() -> None:
    assert problems("tenants: []\n", Directory) == ["some.yaml:1: tenants: must not be empty"]


def test_a_name_given_twice_is_a_problem_of_the_file() -> None:
    (said,) = problems(PRODUCT.replace("name: general", "name: pilot"))
    assert "ring 'pilot' is given twice" in said


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "the file is empty"),
        ("# only a comment\n", None, "the file is empty"),
        ("- a\n- b\n", 1, "not a mapping"),
        ("just words", 1, "not a mapping"),
        ("product: a\nproduct: b\n", 2, "'product' is given twice, first in line 1"),
        ("product: a\n\tbuild: b\n", 2, "a tab"),
        ("product: [a\nbuild: b\n", 2, "this is not YAML"),
        ("product: 'a\n", 2, "this is not YAML"),
        ("a: &x {b: c}\nd: *x\n", 2, "an alias of line 1"),
        ("a: &x\n  b: *x\n", 2, "an alias"),
        ("a: !!python/object:os.system x\n", 1, "cannot be read"),
        ("a: 1\n---\nb: 2\n", 2, "this is not YAML"),
        ("a: \x00", None, "this is not YAML"),
        ("a: " + "[" * 5000, None, "nested too deeply"),
    ],
)
def test_what_yaml_forbids_is_told_with_the_line(text: str, line: int | None, words: str) -> None:
    place = f"some.yaml:{line}: " if line else "some.yaml: "
    assert any(said.startswith(place) and words in said for said in problems(text)), problems(text)


def test_one_problem_fills_the_error_object() -> None:
    with pytest.raises(DocumentError) as caught:
        read(Product, PRODUCT.replace("  output:", "  output: x\n  outptu:"), "stationmaster.yaml")
    assert caught.value.exit is Exit.INPUT
    assert caught.value.record() == {
        "code": "document",
        "message": "unknown key 'outptu' in build",
        "file": "stationmaster.yaml",
        "line": 5,
        "hint": "did you mean 'output'?",
    }


def test_several_problems_are_listed_in_the_message() -> None:
    with pytest.raises(DocumentError) as caught:
        read(Product, PRODUCT.replace("30s", "x").replace("5m", "y"), "stationmaster.yaml")
    first, *rest = caught.value.message.splitlines()
    assert first == "2 problems"
    assert [said.split(":")[0] for said in rest] == ["line 9", "line 10"]


def test_a_good_directory_passes() -> None:
    check_directory(product(), read(Directory, TENANTS, "tenants.yaml"))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("ring: pilot", "ring: piolt", "tenants.yaml:4: tenant 'acme': unknown ring 'piolt' (did you mean 'pilot'?)"),
        (
            "Europe/Berlin",
            "Europe/Berln",
            "tenants.yaml:5: tenant 'acme': unknown IANA zone 'Europe/Berln' (did you mean 'Europe/Berlin'?)",
        ),
        ("id: bolt", "id: acme", "tenants.yaml:6: tenant 'acme': the id is given twice, first in line 2"),
    ],
)
def test_a_dangling_reference_names_line_and_nearest(right: str, wrong: str, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_directory(product(), read(Directory, TENANTS.replace(right, wrong), "tenants.yaml"))
    assert str(caught.value) == said


def test_a_dedicated_tenant_may_not_bear_the_name_of_an_instance() -> None:
    text = TENANTS.replace("id: bolt", "id: cloud\n    hosting: dedicated")
    with pytest.raises(DocumentError, match="'cloud' is the name of an instance"):
        check_directory(product(), read(Directory, text, "tenants.yaml"))


def test_dates_and_keys_of_approvers_are_checked() -> None:
    text = "people:\n  - id: rosa\n    name: Rosa\n    until: someday\n    keys:\n      - ed25519: AAAA\n"
    first, second = problems(text, Approvers)
    assert first.startswith("some.yaml:4: people[1].until:")
    assert second.startswith("some.yaml:6: people[1].keys[1].ed25519: an ed25519 public key has 32 bytes, this one 3")


@pytest.mark.parametrize("document", ["product", "tenants", "approvers"])
def test_the_schema_is_json_and_closed(document: str) -> None:
    made = json.loads(json.dumps(schema(document)))
    assert made["$schema"].startswith("https://json-schema.org/")
    assert made["additionalProperties"] is False


def test_an_unknown_schema_names_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        schema("tenant")
    assert caught.value.hint == "did you mean 'tenants'?"


@given(st.text(alphabet=st.sampled_from("abc:-[]{}#&*!|>'\"%@`,?\t\n 019.~"), max_size=60))
def test_no_text_gets_anything_but_a_document_error(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(Product, text, "f")
    assert caught.value.problems


@pytest.mark.parametrize(
    ("calendar", "said"),
    [
        ("{timezone: UTC, default: opne}", "tenants[1].calendar.default: 'opne' is not known (did you mean 'open'?)"),
        ("{timezone: UTC, defalt: open}", "unknown key 'defalt' in tenants[1].calendar (did you mean 'default'?)"),
        ("5", "tenants[1].calendar: must be the name of a calendar file, or a calendar: "),
    ],
)
def test_what_is_wrong_in_a_tenants_calendar_is_told_once(calendar: str, said: str) -> None:
    text = f"tenants:\n  - id: a\n    name: A\n    ring: pilot\n    calendar: {calendar}\n"
    with pytest.raises(DocumentError) as refused:
        read(Directory, text, "t.yaml")
    assert str(refused.value).startswith(f"t.yaml:5: {said}")
    assert len(refused.value.problems) == 1


def test_a_boolean_is_no_number_of_days() -> None:
    with pytest.raises(DocumentError, match="notice_days: true is no number of days; write it as 10"):
        read(Directory, "tenants:\n  - {id: a, name: A, ring: pilot, notice_days: true}\n", "t.yaml")
