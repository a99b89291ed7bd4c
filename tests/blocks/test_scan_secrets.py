"""Secrets in the lines that a change adds: found by place and hash, allowed by comment or baseline, never repeated.

The secrets here are put together at run time: a file that holds one would be found by the scan of this very project.
"""

import json
import logging
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
from detect_secrets.settings import get_settings
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.blocks.scan_given import Answer, Given, Subject
from stationmaster.blocks.scan_secrets import Looked, look, secrets
from stationmaster.blocks.scan_text import text_of
from stationmaster.domain.scans import BaselineUnreadableError, Scans, Secrets, SecretsFoundError
from tests.fakes import FakeClock

AWS = "AKIA" + "Q7ZK3MWX" + "5TN2PVRB"
GITHUB = "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"
PASSWORD = "tr0ub4dor" + "-and-3-horses"
LINE = f'AWS_KEY = "{AWS}"\n'
EVERY = frozenset(range(1, 100))
IMAGE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"


def write(tree: Path, **files: str) -> dict[str, frozenset[int]]:
    for name, text in files.items():
        (tree / name).write_text(text)
    return dict.fromkeys(files, EVERY)


def found(tree: Path, added: dict[str, frozenset[int]], *, entropy: bool = False) -> list[tuple[str, int, str]]:
    return [(one.file, one.line, one.kind) for one in look(tree, added, entropy=entropy).found]


def scanned(tree: Path, added: dict[str, frozenset[int]], rules: Secrets | None = None) -> Answer:
    subject = Subject("shop", "1", f"sha256:{'a' * 64}", 0)
    return secrets(Given(subject, None, tree, added, Scans(secrets=rules or Secrets()), FakeClock().now()))


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (LINE, "AWS Access Key"),
        (f"token: {GITHUB}\n", "GitHub Token"),
        (f'password = "{PASSWORD}"\n', "Secret Keyword"),
        ("-----BEGIN RSA " + "PRIVATE KEY-----\n", "Private Key"),
        (f"url = https://ana:{PASSWORD}@shop.example/\n", "Basic Auth Credentials"),
    ],
)
def test_secrets_are_found_with_their_line(tmp_path: Path, line: str, kind: str) -> None:
    added = write(tmp_path, f=f"# first\n{line}")
    assert ("f", 2, kind) in found(tmp_path, added)


def test_only_added_lines_count(tmp_path: Path) -> None:
    write(tmp_path, f=f"{LINE}x = 1\n{LINE}")
    assert found(tmp_path, {"f": frozenset({2})}) == []
    assert found(tmp_path, {"f": frozenset({1, 2})}) == [("f", 1, "AWS Access Key")]


def test_ids_that_look_random_are_none_unless_they_are_asked_for(tmp_path: Path) -> None:
    added = write(tmp_path, f='revision = "9d1f04c2a6b3"\n')
    assert found(tmp_path, added) == []
    assert found(tmp_path, added, entropy=True) == [("f", 1, "Hex High Entropy String")]


def test_a_placeholder_of_a_journey_is_none(tmp_path: Path) -> None:
    added = write(tmp_path, f='body: {user: probe, password: "{secret:PROBE_PASSWORD}"}\n')
    assert found(tmp_path, added) == []
    assert found(tmp_path, write(tmp_path, f=f'password: "{{secret:PROBE}}"  # {AWS}\n')) == [
        ("f", 1, "AWS Access Key")
    ]


@pytest.mark.parametrize(
    "text", [LINE.rstrip() + "  # pragma: allowlist secret\n", "# pragma: allowlist nextline secret\n" + LINE]
)
def test_what_a_comment_allows_is_counted(tmp_path: Path, text: str) -> None:
    looked = look(tmp_path, write(tmp_path, f=text), entropy=False)
    assert looked.found == ()
    assert looked.commented == 1


def test_the_comment_may_stand_in_a_line_that_was_there_before(tmp_path: Path) -> None:
    write(tmp_path, f="# pragma: allowlist nextline secret\n" + LINE)
    assert look(tmp_path, {"f": frozenset({2})}, entropy=False).found == ()


def test_what_is_no_text_or_too_large_is_said(tmp_path: Path) -> None:
    added = write(tmp_path, big=LINE + "x" * (1 << 20), good="x\n")
    (tmp_path / "image.png").write_bytes(IMAGE + LINE.encode())
    (tmp_path / "link").symlink_to("good")
    every = {**added, "image.png": EVERY, "link": EVERY, "submodule": EVERY}
    looked = look(tmp_path, every, entropy=False)
    assert looked == Looked((), 0, 1, len(EVERY), ("big", "image.png"))


def test_nothing_is_clean_while_a_file_is_not_read(tmp_path: Path) -> None:
    added = write(tmp_path, good="x\n", big="x" * (1 << 20) + "y")
    assert scanned(tmp_path, added).fact["result"] == "none found, 1 file not read"
    (tmp_path / "image.png").write_bytes(IMAGE)
    answer = scanned(tmp_path, {**added, "image.png": EVERY})
    assert (answer.fact["result"], answer.fact["unread"], answer.error) == ("none found, 2 files not read", 2, None)
    answer = scanned(tmp_path, {**added, **write(tmp_path, bad=LINE)})
    assert answer.fact["result"] == "1 found, 1 file not read"
    assert isinstance(answer.error, SecretsFoundError)


ENV = f"# é\nname = 1\nTOKEN={GITHUB}\npassword = '{PASSWORD}'\n"


@pytest.mark.parametrize(
    "raw",
    [
        ENV.encode("utf-16"),
        b"\xff\xfe" + ENV.encode("utf-16-le"),
        b"\xfe\xff" + ENV.encode("utf-16-be"),
        ENV.encode("utf-32"),
        b"\xef\xbb\xbf" + ENV.encode(),
        ENV.encode("latin-1"),
        ENV.replace("é", "\0").encode(),
        ENV.replace("= 1", "= \0\0").encode("latin-1"),
    ],
    ids=["UTF-16", "LE", "BE", "UTF-32", "UTF-8 with a mark", "Latin-1", "a NUL", "NULs in Latin-1"],
)
@pytest.mark.parametrize("name", ["settings.env", "a.yaml", "a.ini", "a.py"])
def test_text_is_read_however_it_is_encoded(tmp_path: Path, raw: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(raw)
    assert {(line, kind) for _, line, kind in found(tmp_path, {name: EVERY})} >= {
        (3, "GitHub Token"),
        (4, "Secret Keyword"),
    }


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_lines_of_wide_characters_are_those_that_git_counts(tmp_path: Path, encoding: str) -> None:
    """Some characters hold the byte of a line feed."""
    lines = ["\ufeffone", "Ċ਀ two", GITHUB, f"Ċ {GITHUB[:-1]}0", "end"]
    raw = "\n".join(lines).encode(encoding)
    (tmp_path / "f").write_bytes(raw)
    number = raw[: raw.index(GITHUB.encode(encoding))].count(b"\n") + 1
    assert [one[1] for one in found(tmp_path, {"f": frozenset({number})})] == [3]
    assert [one[1] for one in found(tmp_path, {"f": frozenset({number + 1})})] == [4]
    assert found(tmp_path, {"f": frozenset({1})}) == []


@given(st.binary(max_size=200), st.frozensets(st.integers(1, 9)))
def test_no_bytes_break_the_reading_of_text(raw: bytes, added: frozenset[int]) -> None:
    text = text_of(raw, added)
    assert text is None or (text.lines and not any("\n" in line or "\0" in line for line in text.lines))


def test_a_path_of_any_bytes_is_told_as_text(tmp_path: Path) -> None:
    path = b"caf\xe9.py".decode("utf-8", "surrogateescape")
    (tmp_path / path).write_text(LINE)
    answer = scanned(tmp_path, {path: EVERY})
    assert json.loads(answer.report)["found"][0]["file"] == "caf\N{REPLACEMENT CHARACTER}.py"


def test_the_librarys_settings_are_left_as_they_were(tmp_path: Path) -> None:
    before = get_settings().json()
    look(tmp_path, write(tmp_path, f=LINE), entropy=False)
    assert get_settings().json() == before


def test_nobody_is_asked_whether_a_secret_is_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(found(tmp_path, write(tmp_path, f=f"{LINE}secret = '{AWS}'\n{GITHUB}\n"))) >= 2


def test_the_secret_is_in_no_answer_and_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = scanned(tmp_path, write(tmp_path, f=f'{LINE}{GITHUB}\npassword = "{PASSWORD}"\n'))
    assert isinstance(answer.error, SecretsFoundError)
    told = f"{answer.fact} {answer.report.decode()} {answer.error} {answer.error.record()} {caplog.text}"
    assert not any(secret in told for secret in (AWS, GITHUB, PASSWORD))
    assert "f:1 AWS Access Key" in answer.error.message


# What a baseline allows


def baseline(tree: Path, **changes: Any) -> None:
    """As detect-secrets writes one, of what is found now."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for one in look(tree, dict.fromkeys(("f",), EVERY), entropy=False).found:
        row = {"type": one.kind, "filename": one.file, "hashed_secret": one.hash, "line_number": one.line, **changes}
        rows.setdefault(one.file, []).append(row)
    text = json.dumps({"version": "1.5.0", "plugins_used": [], "filters_used": [], "results": rows})
    (tree / ".secrets.baseline").write_text(text)


def test_a_baseline_allows_a_secret_wherever_it_moves_in_its_file(tmp_path: Path) -> None:
    write(tmp_path, f=LINE)
    baseline(tmp_path)
    answer = scanned(tmp_path, write(tmp_path, f=f"# moved\n{LINE}"))
    assert (answer.fact["result"], answer.fact["allowed"], answer.error) == ("clean", 1, None)
    assert json.loads(answer.report)["allowed"][0]["line"] == 2
    other = scanned(tmp_path, write(tmp_path, g=LINE))
    assert isinstance(other.error, SecretsFoundError)


def test_what_an_audit_calls_true_is_found(tmp_path: Path) -> None:
    added = write(tmp_path, f=LINE)
    baseline(tmp_path, is_secret=True)
    assert isinstance(scanned(tmp_path, added).error, SecretsFoundError)


def test_a_baseline_turns_nothing_off_and_runs_nothing(tmp_path: Path) -> None:
    """Its filters could name a file of the product as code."""
    added = write(tmp_path, f=LINE)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef skip(filename): return True\n")
    filters = [
        {"path": f"file://{tmp_path}/evil.py::skip"},
        {"path": "detect_secrets.filters.regex.should_exclude_file", "pattern": [".*"]},
    ]
    (tmp_path / ".secrets.baseline").write_text(
        json.dumps({"plugins_used": [], "filters_used": filters, "results": {}})
    )
    assert isinstance(scanned(tmp_path, added).error, SecretsFoundError)
    assert not (tmp_path / "ran").exists()


def test_a_baseline_that_is_none_or_a_link_out_is_not_taken(tmp_path: Path) -> None:
    added = write(tmp_path, f=LINE)
    (tmp_path / ".secrets.baseline").write_text("broken")
    with pytest.raises(BaselineUnreadableError):
        scanned(tmp_path, added)
    (tmp_path / ".secrets.baseline").unlink()
    (tmp_path / ".secrets.baseline").symlink_to("f")
    assert isinstance(scanned(tmp_path, added).error, SecretsFoundError)


def test_hashes_of_the_baseline_itself_are_no_secrets_but_a_token_is(tmp_path: Path) -> None:
    write(tmp_path, f=f"{LINE}password = '{PASSWORD}'\n")
    baseline(tmp_path)
    answer = scanned(tmp_path, {".secrets.baseline": EVERY}, Secrets(entropy=True))
    assert (answer.fact["files"], answer.error) == (1, None)
    text = (tmp_path / ".secrets.baseline").read_text()
    (tmp_path / ".secrets.baseline").write_text(f'{{"note": "{GITHUB}",{text[1:]}')
    assert isinstance(scanned(tmp_path, {".secrets.baseline": EVERY}).error, SecretsFoundError)


def test_turned_off_it_says_so_and_never_clean(tmp_path: Path) -> None:
    answer = scanned(tmp_path, write(tmp_path, f=LINE), Secrets(scan=False))
    assert (answer.fact, answer.error) == ({"result": "not scanned: turned off in stationmaster.yaml"}, None)
    assert b"turned off" in answer.report


# What the library's reading of formats would hide

KEY = "PRIVATE" + " KEY-----"


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.yaml", f"before: 1\nblock: |\n  old\n  {AWS}\nafter: 1\n", 4),
        ("a.yaml", f"before: 1\nlist:\n  - old\n  - {AWS}\n", 4),
        ("a.yaml", f"before: [\n\n\n# {AWS}\n", 4),
        ("a.ini", f"[a]\nb = 1\nc = 2\n# {AWS}\n", 4),
        ("a.cfg", f"[a]\nb = 1\nc = 2\n; {AWS}\n", 4),
        ("a.py", f"# 1\n# 2\n# 3\nclient = connect('{AWS}')\n", 4),
        ("a.py", f"x = 1\r\r\r\n\n\nkey = '{AWS}'\n", 4),
        ("a.yml", f"a: 1\nkey: |\n  x\n  -----BEGIN {KEY}\n", 4),
    ],
)
def test_an_added_line_is_read_whatever_the_format_makes_of_it(tmp_path: Path, name: str, text: str, line: int) -> None:
    write(tmp_path, **{name: text})
    assert [one[:2] for one in found(tmp_path, {name: frozenset({line})})] == [(name, line)]
    assert found(tmp_path, {name: frozenset({1})}) == []


def test_a_password_in_an_added_line_of_an_old_block_counts(tmp_path: Path) -> None:
    write(tmp_path, **{"a.py": f"x = 1\r\r\npassword = '{PASSWORD}'\n"})
    assert [one[2] for one in found(tmp_path, {"a.py": frozenset({2})})] == ["Secret Keyword"]


def test_comments_allow_in_every_format_and_each_is_counted_once(tmp_path: Path) -> None:
    comment = "  # pragma: allowlist secret\n"
    added = write(tmp_path, **dict.fromkeys(("a.yaml", "b.ini", "c"), f"x: 1\ny: {AWS}{comment}"))
    looked = look(tmp_path, added, entropy=False)
    assert (looked.found, looked.commented) == ((), 3)


@pytest.mark.parametrize("name", ["uv.lock", "package-lock.json", "keys.lock", ".secrets.baseline"])
def test_lock_files_are_looked_through_for_what_is_known_by_its_form(tmp_path: Path, name: str) -> None:
    """They are full of hashes, which look random and stand beside words like key."""
    hashes = f'"integrity": "sha512-{"aB3d" * 20}=="\nkey = "{"9f" * 32}"\n'
    looked = look(tmp_path, write(tmp_path, **{name: f"{hashes}{LINE}x\n{GITHUB}\n"}), entropy=True)
    assert [(one.line, one.kind) for one in looked.found] == [(3, "AWS Access Key"), (5, "GitHub Token")]
    assert (looked.files, looked.unread) == (1, ())
    looked = look(tmp_path, write(tmp_path, **{name: f"{GITHUB}  # pragma: allowlist secret\n"}), entropy=True)
    assert (looked.found, looked.commented) == ((), 1)


@pytest.mark.parametrize("name", ["a.css", "a.svg", "swagger/a.py", "swagger.json", "a.map"])
def test_no_ending_and_no_word_in_a_path_hides_a_file(tmp_path: Path, name: str) -> None:
    tree = tmp_path / "r-swagger"  # a release may be called so
    (tree / "swagger").mkdir(parents=True)
    assert found(tree, write(tree, **{name: LINE})) == [(name, 1, "AWS Access Key")]
