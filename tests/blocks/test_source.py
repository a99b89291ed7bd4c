"""Git repositories as they come: odd names, odd messages, broken mirrors, links that lead out."""

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stationmaster.blocks import git, mirror
from stationmaster.blocks.git import SourceSlowError, SourceUnreachableError
from stationmaster.blocks.source import GitRepository, UnknownRefError, UnsafeTreeError, mirror_of
from stationmaster.domain.errors import InputError
from tests.blocks.source_conformance import FIRST, SECOND, SourceConformance, World
from tests.fakes import FakeSource
from tests.repository import AT, Repository
from tests.stack import eventually


@pytest.fixture
def code(tmp_path: Path) -> Repository:
    return Repository.begin(tmp_path / "code")


@pytest.fixture
def source(code: Repository, tmp_path: Path) -> GitRepository:
    return GitRepository(url=str(code.path), mirror=str(tmp_path / "home" / "mirrors" / "m"))


class TestGit(SourceConformance):
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        code = Repository.begin(tmp_path / "code")
        first = code.commit(files=FIRST)
        code.git("tag", "v1.0.0")
        second = code.commit(files=SECOND)
        code.git("tag", "v1.1.0")
        source = GitRepository(url=str(code.path), mirror=mirror_of(str(code.path), tmp_path))
        source.resolve("main")
        return World(source, first, second)


class TestFake(SourceConformance):
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        source = FakeSource()
        first, second = source.add("v1.0.0", FIRST), source.add("v1.1.0", SECOND)
        source.refs["main"] = second
        return World(source, first, second)


# Which commit a name means


def test_a_branch_is_where_it_is_now(code: Repository, source: GitRepository) -> None:
    for _ in range(2):
        commit = code.commit()
        assert source.resolve("main").commit == commit


def test_a_short_id_and_an_ancestor_have_names_too(code: Repository, source: GitRepository) -> None:
    first, second = code.commit(), code.commit()
    assert source.resolve(second[:9]).commit == second
    assert source.resolve("main~1").commit == first


@pytest.mark.parametrize("ref", ["--all", "-h", "--output=x", "^main", "main..main", "a\0b", "HEAD", "main:f.txt", ""])
def test_what_is_no_name_of_one_commit_is_unknown(code: Repository, source: GitRepository, ref: str) -> None:
    code.commit(files={"f.txt": "text"})
    with pytest.raises(UnknownRefError):
        source.resolve(ref)


def test_a_deleted_branch_is_unknown_but_its_commits_stay(code: Repository, source: GitRepository) -> None:
    code.commit()
    code.git("checkout", "--quiet", "-b", "hotfix/1")
    gone = code.commit("mend")
    assert source.resolve("hotfix/1").commit == gone
    code.git("checkout", "--quiet", "main")
    code.git("branch", "-D", "hotfix/1")
    with pytest.raises(UnknownRefError):
        source.resolve("hotfix/1")
    assert source.resolve(gone).subject == "mend"
    assert [change.commit for change in source.changes((), gone)][-1] == gone


def test_a_known_id_is_found_while_the_source_is_away(code: Repository, source: GitRepository) -> None:
    commit = code.commit()
    source.resolve("main")
    code.path.rename(code.path.with_name("away"))
    assert source.resolve(commit).commit == commit
    with pytest.raises(SourceUnreachableError, match=r"ls-remote failed.*code"):
        source.resolve("main")


def test_versions_come_from_tags(code: Repository, source: GitRepository) -> None:
    untagged = code.commit()
    assert source.resolve("main").version == f"0.0.0-g{untagged[:12]}"
    code.git("tag", "vacation")
    code.git("tag", "v1.9.0")
    third = code.commit()
    assert source.resolve("main").version == f"1.9.0-1-g{third[:12]}"


@pytest.mark.parametrize("order", [("v1.10.0-rc1", "v1.9.0", "v1.10.0"), ("v1.10.0", "v1.9.0", "v1.10.0-rc1")])
def test_of_several_tags_on_a_commit_the_newest_version_counts(
    code: Repository, source: GitRepository, order: tuple[str, ...]
) -> None:
    code.commit()
    for tag in order:
        code.git("tag", "--annotate", "--message=x", tag) if tag.endswith("rc1") else code.git("tag", tag)
    assert source.resolve("main").version == "1.10.0"


# Who and what


def test_everybody_who_had_a_part_is_named_once(code: Repository, source: GitRepository) -> None:
    code.commit("one\n\nCo-authored-by: Cy <cy@x.example>\nco-authored-by: Dee <dee@x.example>\n")
    code.commit("two\n\nCo-authored-by: Cy\n  Long <cy@x.example>\nCo-authored-by: Ana <ana@shop.example>\n")
    ours = ("Ana <ana@shop.example>", "Ben <ben@shop.example>")
    one, two = source.changes((), source.resolve("main").commit)
    assert one.authors == (*ours, "Cy <cy@x.example>", "Dee <dee@x.example>")
    assert two.authors == (*ours, "Cy Long <cy@x.example>")


@pytest.mark.parametrize("subject", ["a\x1fb\x1ec", "a\u2028b\x85c", "tail\r\n\r\nbody", "emoji 🚂 ü", "%H %n"])
def test_any_subject_is_read(code: Repository, source: GitRepository, subject: str) -> None:
    code.commit(subject)
    code.commit("after")
    commit = source.resolve("main")
    assert [change.subject for change in source.changes((), commit.commit)] == [subject.partition("\r")[0], "after"]
    assert (commit.subject, commit.at) == ("after", AT + 120)


def test_files_are_found_whatever_they_are_called(code: Repository, source: GitRepository) -> None:
    code.commit(files={"changes/grün.md": "ü", "changes/a b\n.md": "x", "other/c.md": "y"})
    commit = source.resolve("main").commit
    assert source.added((), commit, "changes") == ("changes/a b\n.md", "changes/grün.md")
    assert source.added((), commit, "changes/") == ("changes/a b\n.md", "changes/grün.md")
    assert source.read(commit, "changes/grün.md") == "ü"


def test_a_file_that_is_no_text_is_named(code: Repository, source: GitRepository) -> None:
    code.commit(files={"stationmaster.yaml": "name: Käse\n".encode("latin-1")})
    with pytest.raises(InputError, match="not UTF-8") as caught:
        source.read(source.resolve("main").commit, "stationmaster.yaml")
    assert caught.value.file == "stationmaster.yaml"


def test_a_commit_that_runs_and_is_in_no_branch_any_more_is_named(code: Repository, source: GitRepository) -> None:
    commit, lost = code.commit(), "a" * 40
    source.resolve("main")
    with pytest.raises(UnknownRefError, match="aaaaaaaaaaaa, which runs in production"):
        source.changes((lost,), commit)
    with pytest.raises(UnknownRefError, match="aaaaaaaaaaaa, which runs in production"):
        source.merged((lost,), commit)


# The mirror


def test_settings_of_the_person_do_not_change_what_is_read(
    code: Repository, source: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks, marker = tmp_path / "hooks", tmp_path / "hook-ran"
    hooks.mkdir()
    (hooks / "reference-transaction").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (hooks / "reference-transaction").chmod(0o755)
    settings = f"[core]\nhooksPath = {hooks}\nautocrlf = true\n[log]\nshowSignature = true\n[color]\nui = always\n"
    (tmp_path / ".gitconfig").write_text(settings + "[i18n]\nlogOutputEncoding = latin1\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as inside a hook
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    code.commit("Käse", {"text.txt": "line\n"})
    commit = source.resolve("main")
    source.export(commit.commit, tmp_path / "export")
    assert commit.subject == "Käse"
    assert (tmp_path / "export" / "text.txt").read_bytes() == b"line\n"
    assert not marker.exists()


@pytest.mark.parametrize("damage", ["empty", "no HEAD", "locked", "cut off", "a file"])
def test_a_mirror_that_was_left_broken_is_made_anew(code: Repository, source: GitRepository, damage: str) -> None:
    code.commit()
    source.resolve("main")
    place, commit = Path(source.mirror), code.commit(files={"big": os.urandom(5000)})
    if damage == "empty":
        (place / "config").unlink()
        (place / "HEAD").unlink()
    elif damage == "no HEAD":
        (place / "HEAD").unlink()
    elif damage == "locked":
        (place / "refs" / "heads" / "main.lock").touch()
        (place / "packed-refs.lock").touch()
    elif damage == "cut off":
        for path in place.glob("objects/??/*"):
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:3])
    else:
        (place / "refs" / "heads" / "main").write_text("garbage")
    assert source.resolve("main").commit == commit
    assert source.resolve(commit).commit == commit


def test_several_processes_may_fetch_into_one_mirror(code: Repository, source: GitRepository) -> None:
    for number in range(8):
        code.commit()
        code.git("branch", f"b{number}")
    script = "from stationmaster.blocks.source import GitRepository as G; import sys; "
    script += "print(G(url=sys.argv[1], mirror=sys.argv[2]).resolve('b7').commit)"
    begin = [sys.executable, "-c", script, source.url, source.mirror]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: subprocess.run(begin, capture_output=True, text=True, check=True), range(4)))
    assert {one.stdout.strip() for one in found} == {code.git("rev-parse", "b7").strip()}


def test_who_waits_too_long_for_another_fetch_is_told(
    code: Repository, source: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    code.commit()
    monkeypatch.setattr(mirror, "TIMEOUT", 0.1)
    with (
        mirror._alone(git.Git(source.mirror, source.url)),
        pytest.raises(SourceUnreachableError, match="another process has been fetching"),
    ):
        source.resolve("main")


@pytest.mark.slow
def test_a_fetch_may_be_killed_at_any_moment(code: Repository, source: GitRepository) -> None:
    for number in range(30):
        code.commit(files={f"f{number}": os.urandom(200_000)})
    script = "from stationmaster.blocks.source import GitRepository as G; import sys; "
    script += "print('go', flush=True); G(url=sys.argv[1], mirror=sys.argv[2]).resolve('main')"
    for number in range(12):
        commit = code.commit(files={f"f{number}": os.urandom(500_000)})
        begin = [sys.executable, "-c", script, source.url, source.mirror]
        with subprocess.Popen(begin, stdout=subprocess.PIPE, start_new_session=True) as fetching:
            assert fetching.stdout is not None
            fetching.stdout.readline()
            time.sleep(0.012 * number)
            fetching.send_signal(signal.SIGKILL)
        assert source.resolve("main").commit == commit


def test_git_that_hangs_is_ended_with_what_it_started(
    source: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH", str(ssh))
    monkeypatch.setattr(mirror, "FETCH", 0.6)
    with pytest.raises(SourceSlowError, match=r"did not end within 1 s for ssh://far\.example/x"):
        GitRepository(url="ssh://git:pass@far.example/x", mirror=source.mirror).resolve("main")
    pid = int((tmp_path / "pid").read_text())
    eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_git_that_is_killed_says_nothing_of_what_there_is(
    code: Repository, source: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`no such file` refuses a change for ever, so only a git that came to its end may say it."""
    commit = source.resolve(code.commit(files={"a.txt": "1"})).commit
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text("#!/bin/sh\nkill -TERM $$\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    with pytest.raises(SourceUnreachableError, match=r"git ls-tree failed for .*: it was ended by signal 15"):
        source.read(commit, "a.txt")
    with pytest.raises(SourceUnreachableError, match=r"git rev-parse failed for .*: it was ended by signal 15"):
        source.resolve(commit)


def test_git_that_fails_says_nothing_of_what_there_is(code: Repository, source: GitRepository) -> None:
    commit = source.resolve(code.commit(files={"a.txt": "1"})).commit
    (Path(source.mirror) / "HEAD").unlink()
    with pytest.raises(SourceUnreachableError):
        source.read(commit, "a.txt")


@pytest.mark.parametrize("name", [":(top)a.txt", "*", "a b\tc", "ä.txt"])
def test_a_file_of_any_name_is_read(code: Repository, source: GitRepository, name: str) -> None:
    commit = code.commit(files={name: "1", "other.txt": "2"})
    assert source.read(source.resolve("main").commit, name) == "1"
    with pytest.raises(InputError):
        source.read(commit, f"{name}x")


def test_a_password_in_an_address_is_never_shown(tmp_path: Path) -> None:
    source = GitRepository(url="https://bot:hunter2@127.0.0.1:1/x.git", mirror=str(tmp_path / "m"))
    with pytest.raises(SourceUnreachableError) as caught:
        source.resolve("main")
    assert "hunter2" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert "https://127.0.0.1:1/x.git" in caught.value.message


# The export


def test_an_export_is_whole_clean_and_of_the_commits_time(
    code: Repository, source: GitRepository, tmp_path: Path
) -> None:
    code.commit(files={".gitattributes": "tests export-ignore\nv.txt export-subst\n", "tests/t.py": "t"})
    (code.path / "run.sh").write_text("#!/bin/sh\n")
    (code.path / "run.sh").chmod(0o755)
    (code.path / "link").symlink_to("tests/t.py")
    code.commit(files={"v.txt": "$Format:%H$"})
    (code.path / "untracked").write_text("x")
    into = tmp_path / "export"
    source.export(source.resolve("main").commit, into)
    assert sorted(path.name for path in into.iterdir()) == [".gitattributes", "link", "run.sh", "tests", "v.txt"]
    assert (into / "link").read_text() == "t"
    assert (into / "v.txt").read_text() == "$Format:%H$"
    assert stat.S_IMODE((into / "run.sh").stat().st_mode) & 0o111
    assert {int(path.lstat().st_mtime) for path in into.rglob("*")} == {AT + 120}


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "folder/../../secret"])
def test_a_link_that_leads_out_is_refused(code: Repository, source: GitRepository, tmp_path: Path, target: str) -> None:
    (code.path / "link").symlink_to(target)
    code.commit(files={"folder/f": "x"})
    with pytest.raises(UnsafeTreeError, match=f"the link link leads out of the repository, to {target}"):
        source.export(source.resolve("main").commit, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_link_that_leads_out_over_another_link_is_refused(
    code: Repository, source: GitRepository, tmp_path: Path
) -> None:
    (code.path / "a" / "b").mkdir(parents=True)
    (code.path / "a" / "b" / "up").symlink_to("../..")
    (code.path / "out").symlink_to("a/b/up/../secret")
    code.commit()
    with pytest.raises(UnsafeTreeError):
        source.export(source.resolve("main").commit, tmp_path / "export")


@pytest.mark.parametrize("name", ["..", ".git"])
def test_a_path_that_leads_out_is_refused(code: Repository, source: GitRepository, tmp_path: Path, name: str) -> None:
    blob = code.git("hash-object", "-w", "--stdin", given="evil").strip()
    inner = code.git("mktree", given=f"100644 blob {blob}\tescaped\n").strip()
    tree = code.git("mktree", given=f"040000 tree {inner}\t{name}\n").strip()
    commit = code.git("commit-tree", tree, "-m", "evil").strip()
    code.git("update-ref", "refs/heads/evil", commit)
    with pytest.raises(UnsafeTreeError, match="leads out"):
        source.export(source.resolve("evil").commit, tmp_path / "home" / "export")
    assert not list(tmp_path.rglob("escaped"))


def test_an_export_never_mixes_with_what_is_there(code: Repository, source: GitRepository, tmp_path: Path) -> None:
    code.commit()
    commit = source.resolve("main").commit
    source.export(commit, tmp_path / "export")
    with pytest.raises(FileExistsError):
        source.export(commit, tmp_path / "export")


# What is taken back


def test_what_a_revert_takes_back_stands_again_when_that_is_reverted(code: Repository, source: GitRepository) -> None:
    first, bad = code.commit(files={"f": "1"}), code.commit(files={"f": "2"})
    assert source.reverts((first,), source.resolve("main").commit) == frozenset()
    code.git("revert", "--no-edit", bad)
    revert = source.resolve("main").commit
    assert source.reverts((first,), revert) == {bad}
    code.git("revert", "--no-edit", revert)
    assert source.reverts((first,), source.resolve("main").commit) == {revert}


def test_with_a_merge_goes_what_it_merged(code: Repository, source: GitRepository) -> None:
    first = code.commit(files={"f": "1"})
    code.git("switch", "--quiet", "-c", "topic")
    inner = {code.commit(files={"g": "1"}), code.commit(files={"h": "1"})}
    code.git("switch", "--quiet", "main")
    code.git("merge", "--quiet", "--no-ff", "-m", "Merge topic", "topic")
    merge = source.resolve("main").commit
    code.git("revert", "--no-edit", "-m", "1", merge)
    assert source.reverts((first,), source.resolve("main").commit) == {merge, *inner}
    code.git("revert", "--no-edit", "HEAD")
    assert not source.reverts((first,), source.resolve("main").commit) & {merge, *inner}


def test_a_revert_of_what_no_commit_has_names_it_all_the_same(code: Repository, source: GitRepository) -> None:
    first, gone = code.commit(), "ab" * 20
    code.commit(f"Revert\n\nThis reverts commit {gone}.")
    assert source.reverts((first,), source.resolve("main").commit) == {gone}


# What was merged


def test_what_a_branch_brought_is_one_change_with_all_that_came_with_it(
    code: Repository, source: GitRepository
) -> None:
    first = code.commit(files={"f": "1"})
    code.git("switch", "--quiet", "-c", "topic")
    inner = {code.commit(files={"g": "1"}), code.commit(f"mend\n\nThis reverts commit {first}.", {"h": "1"})}
    code.git("switch", "--quiet", "main")
    squashed = code.commit("Sort orders (#8)", {"f": "2"})
    code.git("merge", "--quiet", "--no-ff", "-m", "Merge pull request #12 from shop/topic", "topic")
    one, two = source.merged((first,), source.resolve("main").commit)
    assert (one.commit, one.number, one.brought, one.reverts) == (squashed, 8, frozenset(), frozenset())
    assert (two.number, two.brought, two.reverts) == (12, frozenset(inner), frozenset({first}))
    assert one.at == datetime.fromtimestamp(AT + 60 * code.made, UTC)


@pytest.mark.parametrize(
    ("message", "number"),
    [
        ("Merge branch 'x' into 'main'\n\nSee merge request shop/app!31", 31),
        ("Count (#3) things", None),
        ("Mend (#3)\n\nafter (#2)", 3),
        ("Mend\n\nas in (#2)", None),
        ("", None),
    ],
)
def test_the_number_of_a_request_is_read_where_code_hosts_write_it(
    code: Repository, source: GitRepository, message: str, number: int | None
) -> None:
    code.commit(message)
    (only,) = source.merged((), source.resolve("main").commit)
    assert only.number == number


def test_nothing_is_merged_before_what_came_before_it(code: Repository, source: GitRepository) -> None:
    code.commit()
    code.made = 99
    code.commit()
    code.made = 3
    code.commit()
    found = source.merged((), source.resolve("main").commit)
    assert [one.at.timestamp() - AT for one in found] == [60, 6000, 6000]


# What a branch lacks


def test_a_branch_lacks_what_it_has_neither_by_its_commit_nor_by_a_cherry_pick(
    code: Repository, source: GitRepository
) -> None:
    code.commit(files={"f": "1"})
    code.git("switch", "--quiet", "-c", "hotfix/1")
    fix, more = code.commit(files={"g": "1"}), code.commit(files={"h": "1"})
    code.git("switch", "--quiet", "main")
    code.commit(files={"other": "1"})
    source.resolve("main")
    assert source.missing("main", more) == (more, fix)
    code.git("cherry-pick", fix)
    source.resolve("main")
    assert source.missing("main", more) == (more,)
    code.git("merge", "--quiet", "--no-ff", "-m", "Merge back", "hotfix/1")
    source.resolve("main")
    assert source.missing("main", more) == ()
    assert source.missing("gone", more) == (more,)


# The lines that a change adds


def test_lines_are_added_whatever_their_files_are_called(code: Repository, source: GitRepository) -> None:
    names = ("ä.txt", 'quo"te.txt', "new\nline.txt", "tab\t.txt", "diff --git a b", "a b/c.txt")
    first = code.commit(files={**dict.fromkeys(names, "1\n2\n3\n"), "gone": "x\n", "same": "x\n"})
    (code.path / "gone").unlink()
    second = code.commit(files=dict.fromkeys(names, "0\n1\n2\nx\n3\n@@ -1 +9 @@\n"))
    source.resolve("main")
    assert source.additions((first,), second) == dict.fromkeys(names, frozenset({1, 4, 6}))


def test_a_file_that_was_a_link_and_one_that_moved_are_added(code: Repository, source: GitRepository) -> None:
    (code.path / "link").symlink_to("other")
    first = code.commit(files={"other": "a\nb\n", "before": "1\n2\n3\n4\n"})
    (code.path / "link").unlink()
    (code.path / "before").rename(code.path / "after")
    second = code.commit(files={"link": "now\na file\n", "zz": "end\n"})
    source.resolve("main")
    found = source.additions((first,), second)
    assert found == {"link": frozenset({1, 2}), "after": frozenset({1, 2, 3, 4}), "zz": frozenset({1})}


@pytest.mark.parametrize("attribute", ["-diff", "binary", "-text diff=none"])
def test_attributes_of_the_product_hide_no_line(code: Repository, source: GitRepository, attribute: str) -> None:
    """In a mirror, and in a work tree as `checks scan` reads one."""
    first = code.commit(files={"f.py": "1\n"})
    second = code.commit(files={".gitattributes": f"* {attribute}\n", "f.py": "1\n2\n"})
    source.resolve("main")
    for one in (source, GitRepository(url=str(code.path), mirror=str(code.path / ".git"))):
        assert one.additions((first,), second)["f.py"] == {2}


def test_what_git_takes_for_binary_has_lines(code: Repository, source: GitRepository) -> None:
    first = code.commit(files={"data": b"\0\1\n2\n", "text": "x"})
    assert source.additions((), source.resolve(first).commit) == {"data": frozenset({1, 2}), "text": frozenset({1})}
    second = code.commit(files={"data": b"\0\1\n\0new\n2\n", "wide": "a\nb\n".encode("utf-16")})
    source.resolve("main")
    assert source.additions((first,), second) == {"data": frozenset({2}), "wide": frozenset({1, 2, 3})}


@pytest.mark.parametrize("name", ["large", ":(top)*", "new\nline", "a b/ä"])
def test_a_large_file_is_not_compared_and_not_left_out(code: Repository, source: GitRepository, name: str) -> None:
    first = code.commit(files={name: b"\0old", "before": "1\n"})
    second = code.commit(files={name: b"\0" + b"line\n" * (1 << 18), "before": "1\n2\n", "zz": "1\n"})
    source.resolve("main")
    found = source.additions((first,), second)
    assert found == {name: frozenset({1}), "before": frozenset({2}), "zz": frozenset({1})}


def test_lines_since_what_nobody_has_any_more_cannot_be_told(code: Repository, source: GitRepository) -> None:
    commit = source.resolve(code.commit()).commit
    with pytest.raises(UnknownRefError, match="no longer has commit abababab"):
        source.additions(("ab" * 20,), commit)
