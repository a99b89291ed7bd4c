import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stationmaster.domain
from stationmaster.domain.errors import (
    Exit,
    InputError,
    OutsideError,
    RefusedError,
    StationmasterError,
    WaitingError,
    nearest,
)

KINDS = (InputError, OutsideError, RefusedError, WaitingError)


def descendants(kind: type[StationmasterError]) -> Iterator[type[StationmasterError]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def test_the_record_is_the_error_object() -> None:
    error = InputError("no such ring", hint="did you mean 'pilot'?", file="tenants.yaml", line=7)
    assert error.record() == {
        "code": "input", "message": "no such ring", "file": "tenants.yaml", "line": 7, "hint": "did you mean 'pilot'?",
    }  # fmt: skip
    assert str(error) == "tenants.yaml:7: no such ring"
    assert str(InputError("m", file="f")) == "f: m"
    assert str(InputError("m")) == "m"


def test_a_wait_says_for_what_and_until_when() -> None:
    wait = WaitingError("acme is closed", waiting_for="window", until="2026-11-24T22:00:00Z")
    assert (wait.waiting_for, wait.until, wait.exit) == ("window", "2026-11-24T22:00:00Z", Exit.WAITING)


def test_every_error_of_the_domain_is_of_one_kind_and_has_a_code_of_its_own() -> None:
    for module in pkgutil.iter_modules(stationmaster.domain.__path__, "stationmaster.domain."):
        importlib.import_module(module.name)
    codes: dict[str, str] = {}
    for kind in descendants(StationmasterError):
        if kind.__module__.startswith("stationmaster."):
            assert issubclass(kind, KINDS) or kind.exit is Exit.UNKNOWN
            assert codes.setdefault(kind.code, kind.__name__) == kind.__name__ or kind.code == "internal"


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("ordr", ["order", "login"], "did you mean 'order'?"),
        ("zzz", ["order", "login"], "known: login, order"),
        ("zzz", [], None),
        ("zzz", [f"name{n:02}" for n in range(20)], f"known: {', '.join(f'name{n:02}' for n in range(12))}, …"),
    ],
)
def test_the_nearest_spelling(word: str, known: list[str], hint: str | None) -> None:
    assert nearest(word, known) == hint


@given(st.sampled_from(["orderdesk", "stationmaster", "window-closed"]), st.integers(0, 30))
def test_one_wrong_letter_is_always_understood(word: str, place: int) -> None:
    at = place % len(word)
    assert nearest(word[:at] + "q" + word[at + 1 :], ["orderdesk", "stationmaster", "window-closed"]) == (
        f"did you mean {word!r}?"
    )
