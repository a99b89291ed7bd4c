"""What lock files declare, what they leave open, and that nothing they hold breaks the reading of them."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.scan_locks import LOCKS, Declared, LockUnreadableError, is_lock, of_lock


def named(text: str, where: str) -> list[str]:
    return sorted(str(part) for part in of_lock(text, where).parts)


def test_requirements_give_what_they_pin() -> None:
    text = (
        "# locked\n-r other.txt\n--index-url https://x\na==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "B_b[x]==2; python_version > '3'  # why\nopen>=3\nwild==4.*\nboth==1,==2\nexact===5.0\n./local\n"
        "c @ https://x/c.whl\n"
    )
    assert named(text, "requirements-dev.txt") == ["a 1.0", "b-b 2", "exact 5.0"]
    found = of_lock(text, "sub/requirements-dev.txt")
    assert found.open == ("sub/requirements-dev.txt pins no version with == in lines 8, 9, 10, 12, 13",)
    assert found.others == ("sub/other.txt",)


@pytest.mark.parametrize(
    "line",
    [
        "requests>=2",
        "flask",
        "evil @ https://ana:word@x/evil.whl",
        "https://ana:word@x/evil.whl",
        "git+https://x/evil.git",
        "-e .",
        "--editable ./x",
        "-r https://ana:word@x/more.txt",
        "--req more.txt",
        "--surprise",
        "ä==1",
        "# comment \\\nflask",
    ],
)
def test_what_requirements_leave_open_is_said_by_its_line(line: str) -> None:
    """And without what it says, which may be a password."""
    number = 2 + line.count("\n")
    found = of_lock(f"benign==1.0\n{line}\n\tother==2\n", "requirements.txt")
    assert [str(part) for part in found.parts] == ["benign 1.0", "other 2"]
    assert found.open == (f"requirements.txt pins no version with == in line {number}",)
    assert found.others == ()


@pytest.mark.parametrize("line", ["-r more.txt", "-rmore.txt", "--requirement=more.txt", '-r "./x/../more.txt"  # why'])
def test_files_that_requirements_ask_for_are_said(line: str) -> None:
    assert of_lock(line, "a/requirements.txt") == Declared((), (), ("a/more.txt",))


def test_lines_that_ask_for_nothing_leave_nothing_open() -> None:
    text = (
        "\n# flask\n  # flask \\\n--index-url https://x\n-c limits.txt\n--pre\na==1 \\\n  --hash=sha256:aa\t# why\n\\"
    )
    found = of_lock(text, "requirements.txt")
    assert ([str(part) for part in found.parts], found.open, found.others) == (["a 1"], (), ())


def test_many_open_lines_are_counted() -> None:
    (said,) = of_lock("flask\n" * 30, "requirements.txt").open
    assert said.endswith("in lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 20 more")


def test_locks_of_uv_and_poetry_give_their_packages_and_not_the_project() -> None:
    text = (
        'version = 1\n[[package]]\nname = "shop"\nversion = "0.1"\nsource = { editable = "." }\n'
        '[[package]]\nname = "A"\nversion = "1.0"\nsource = { registry = "r" }\n[[package]]\nname = "nameless"\n'
    )
    assert named(text, "uv.lock") == named(text, "sub/poetry.lock") == ["a 1.0"]
    assert of_lock(text, "uv.lock").open == ("uv.lock has 1 package without a plain name and version",)
    assert of_lock("version = 1\n", "uv.lock") == of_lock("package = []\n", "poetry.lock") == Declared(())


def test_locks_of_npm_give_their_packages_old_and_new() -> None:
    new = {
        "": {"name": "shop", "version": "1"},
        "node_modules/a": {"version": "1.0.0"},
        "node_modules/a/node_modules/@s/b": {"version": "2.0.0"},
        "node_modules/alias": {"name": "real", "version": "3.0.0"},
        "node_modules/linked": {"link": True, "version": "9.0.0"},
        "packages/own": {"version": "1.0.0"},
    }
    old = {"a": {"version": "1.0.0", "dependencies": {"@s/b": {"version": "2.0.0"}}}, "real": {"version": "3.0.0"}}
    wanted = ["@s/b 2.0.0", "a 1.0.0", "real 3.0.0"]
    assert named(json.dumps({"packages": new}), "package-lock.json") == wanted
    assert named(json.dumps({"dependencies": old}), "package-lock.json") == wanted


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[[package]", "uv.lock"),
        ("", "uv.lock"),
        ("package = 3", "uv.lock"),
        ("version = 1\npackage = 3", "uv.lock"),
        ("package = [3]", "poetry.lock"),
        ("{", "package-lock.json"),
        ("[" * 99999, "package-lock.json"),
        ("[]", "package-lock.json"),
        ("{}", "package-lock.json"),
        ('{"packages": []}', "package-lock.json"),
        ('{"packages": null, "dependencies": {}}', "package-lock.json"),
        ('{"packages": {"node_modules/a": 3}}', "package-lock.json"),
        ('{"dependencies": 3}', "package-lock.json"),
        ('{"dependencies": {"a": {"version": "1", "dependencies": []}}}', "package-lock.json"),
    ],
)
def test_a_lock_that_is_none_is_said(text: str, where: str) -> None:
    with pytest.raises(LockUnreadableError, match=where):
        of_lock(text, where)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda one: (
        st.lists(one)
        | st.dictionaries(
            st.sampled_from(["packages", "dependencies", "node_modules/a", "version", "name", "link"]), one
        )
    ),
)


@given(ODD)
def test_no_json_breaks_the_reading_of_a_lock(value: object) -> None:
    with contextlib.suppress(LockUnreadableError):
        assert isinstance(of_lock(json.dumps(value), "package-lock.json"), Declared)


@given(st.text())
def test_no_text_breaks_the_reading_of_a_lock(text: str) -> None:
    for pattern, _ in LOCKS:
        try:
            of_lock(text, pattern.replace("*", "-x"))
        except LockUnreadableError:
            assert pattern != "requirements*.txt"


def test_locks_are_known_by_their_names() -> None:
    assert [is_lock(name) for name in ("requirements.txt", "requirements-dev.txt", "requirements.lock", "UV.lock")] == [
        True, True, False, False
    ]  # fmt: skip
