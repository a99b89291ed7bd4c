"""Another tenant is found however it is spelt and wherever it hides; the one that a text is for is not."""

import base64
import json
import time
from random import Random
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.others import Others, words_of
from stationmaster.domain.tenants import Consent, Tenant

CAFE = "Altiplano Café S.R.L."
TENANTS = (
    Tenant(id="acme", name="Acme", ring="pilot"),
    Tenant(id="acme-two", name="Acme & Söhne", ring="pilot", sites=("kiel",), contacts={"it": "it@shared.example"}),
    Tenant(id="altiplano", name=CAFE, ring="broad", hosting="dedicated", contacts={"it": "ti@shared.example"}),
    Tenant(id="facade", name="Facade Ltd.", ring="broad", approval=Consent(contacts=("ok@facade.example",))),
)
ACME = Others.of("acme", TENANTS, ("gone-since",))


@pytest.mark.parametrize(
    "text",
    [
        "deployed acme-two",
        "ACME-TWO is up",
        "site acme-two/kiel",
        "Kiel: 3 requests",
        f"welcome, {CAFE}",
        json.dumps({"name": CAFE}),
        quote(CAFE, safe=""),
        "Acme &amp; Söhne",
        "postgresql://app@db/altiplano_7",
        "myaltiplanodb",
        "mail to IT@shared.example",
        "host shared.example",
        "ok@facade.example agreed",
        "facade: fine",
        "gone-since was here once",
        base64.b64encode(b'{"tenant": "altiplano"}').decode(),
        base64.urlsafe_b64encode("a ÿ in altiplano".encode()).decode().rstrip("="),
        json.dumps({"payload": base64.b64encode(base64.b64encode(b"of acme-two")).decode()}),
        "Altiplano Cafe\u0301 S.R.L.",
        "KIEL2 answers",
        "kiel1.example",
        "db7kiel",
        "%6biel is a site",
        "%256Biel",
        "\uff2biel",
        f"x/{base64.b64encode(b'at kiel').decode()}",
        f"/var/x/{base64.b64encode(b'the tenant is kiel, said the log').decode()}",
        *(
            f"{front}{base64.b64encode(b'the tenant is kiel, said the log').decode()}tail"
            for front in ("a", "ab", "abc")
        ),
        base64.b64encode(b"\xff\xfe\x00the tenant is kiel, said the log").decode(),
        "of Acme &\nSöhne",
        "of Acme  &\r\n\t Söhne",
        "of Acme\u00a0& So\u0308hne",
        json.dumps("of Acme &\nSöhne"),
        json.dumps({"reason": json.dumps("Acme &\nSöhne", ensure_ascii=False)}, ensure_ascii=False),
        "Acme%20%26%0ASo%CC%88hne",
    ],
)
def test_another_is_found(text: str) -> None:
    assert ACME.named_in(text.encode())
    assert ACME.word_in(text.encode()) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme, Acme, ACME",
        "deployed acme to cloud",
        "sha256:00facade00",  # a digest
        "Altona",
        base64.b64encode(b"acme alone, and nobody else").decode(),
        "\x00\xff",
        "kiels and kielers",  # a short one inside a longer word
        "x9kiel4yQ0Zr7LmTfooBar",  # in what is as long as a key
        "2026-11-23T10:00:00Z",
    ],
)
def test_the_tenant_itself_and_chance_are_not(text: str) -> None:
    assert not ACME.named_in(text.encode())


def test_the_longest_word_at_a_place_counts() -> None:
    two = Others.of("acme-two", TENANTS, ())
    assert not two.named_in(b"acme-two, Acme & S\xc3\xb6hne, kiel")
    assert two.named_in(b"acme-two, acme")


def test_the_own_name_with_a_short_one_of_another_in_front_is_the_own_alone() -> None:
    rows = [Tenant(id=name, name=name.upper(), ring="r") for name in ("ab", "ab-cd", "t1")]
    mine = Others.of("ab-cd", rows, ())
    assert not mine.named_in(b"release for ab-cd done, AB-CD at 2026-11-23T10:00:00Z")
    assert mine.word_in(b"release for ab-cd, ab done") == "ab"
    assert mine.word_in(b"and t1") == "t1"


def test_keys_and_signatures_name_a_short_word_once_in_thousands() -> None:
    """What is random names nobody but by chance: a bundle has many of them, and one that names somebody is refused."""
    short = Others.of("x", [Tenant(id=name, name=name, ring="r") for name in ("x", "acme", "kiel", "voss")], ())
    random = Random(5)  # noqa: S311 - a fixed seed, and no secret
    found = [short.named_in(base64.b64encode(random.randbytes(64))) for _ in range(3000)]
    assert sum(found) <= 1


def test_an_address_that_both_have_names_neither() -> None:
    assert not Others.of("acme-two", TENANTS, ()).named_in(b"shared.example")


def test_a_log_is_cut_by_lines_and_the_lines_are_counted() -> None:
    log = b"start\r\nacme is up\naltiplano is up\nbye"
    assert ACME.cut(log) == (b"start\r\nacme is up\nbye", 1)
    assert ACME.cut(b"") == (b"", 0)


def test_lines_that_name_another_together_are_cut_together() -> None:
    assert ACME.cut("start\nfor Acme &\nSöhne, since\nbye\n".encode()) == (b"start\nbye\n", 2)
    assert ACME.cut("start\nfor Acme\n&\nSöhne, since\nbye\n".encode()) == (b"start\nbye\n", 3)
    assert ACME.cut("for Acme &\nat kiel\nSöhne".encode()) == (b"", 3)


@given(st.lists(st.sampled_from(["Acme", "&", "Söhne", "", " ", "x", "kiel", "Altiplano", "Café", "S.R.L."])))
def test_a_cut_log_names_nobody_as_a_whole_either(lines: list[str]) -> None:
    log = "\n".join(lines).encode()
    rest, gone = ACME.cut(log)
    assert not ACME.named_in(rest)
    assert len(log.splitlines()) == len(rest.splitlines()) + gone


@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from(["altiplano", "gone-since", CAFE]))
def test_whatever_stands_around_it(before: bytes, after: bytes, word: str) -> None:
    assert ACME.named_in(before.decode("utf-8", "ignore").encode() + b" " + word.encode() + b" " + after)


@given(st.binary(max_size=200))
def test_a_cut_log_names_nobody(log: bytes) -> None:
    cut, gone = ACME.cut(log + b"\nacme-two\n" + log)
    assert gone >= 1
    assert not any(ACME.named_in(line) for line in cut.splitlines())


def test_nobody_is_named_where_there_is_nobody_else() -> None:
    assert not Others.of("acme", TENANTS[:1], ("acme",)).named_in(b"anything at all")


def test_words_of_a_tenant() -> None:
    assert words_of(TENANTS[3]) == {"facade", "Facade Ltd.", "ok@facade.example", "facade.example"}


def test_thousands_of_tenants_cost_no_more_than_some() -> None:
    """A ratio: the text is walked once, however many words there are."""
    text = b"nothing in here is the name of anybody at all\n" * 400

    def cost(count: int) -> float:
        many = Others.of("acme", [Tenant(id=f"customer-{n}", name=f"Customer {n}", ring="r") for n in range(count)], ())
        many.named_in(b"warm")
        begin = time.process_time()
        assert not many.named_in(text)
        return time.process_time() - begin

    few, lots = min(cost(10) for _ in range(3)), min(cost(3000) for _ in range(3))
    assert lots < few * 5


def test_a_log_that_is_cut_much_costs_no_more_than_its_length() -> None:
    """A ratio of growth: names that are broken over many lines do not make it square."""

    def cost(count: int) -> float:
        log = ("for Acme\n\n\n\n&\n\n\n\nSöhne\nfine\n" * count).encode()
        begin = time.process_time()
        ACME.cut(log)
        return time.process_time() - begin

    little, much = min(cost(40) for _ in range(3)), min(cost(320) for _ in range(3))
    assert much < little * 24
