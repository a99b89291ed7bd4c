"""The code host's block over real HTTP, against a small server that answers as GitHub and GitLab document it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.copies import wrong_fields
from stationmaster.blocks.hosting import (
    Author,
    CodeHostBusyError,
    CodeHostRefusedError,
    CodeHostUnavailableError,
    Review,
    co_authors,
)
from tests.blocks.code_host_server import Answer, Server, serving

TOKEN = "hunter2-token"
SHA, HEAD = 40 * "a", 40 * "b"
AT = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[Server]:
    """After every test: it was only asked, and with the token where there is one."""
    with serving() as made:
        yield made
        assert {method for method, *_ in made.asked} <= {"GET"}
        assert {headers.get("Authorization") for *_, headers in made.asked} <= {f"Bearer {TOKEN}"}


def host(server: Server, kind: Any = "github", **more: Any) -> CodeHost:
    repository = {"github": "shop/orders", "gitlab": "shop/back/orders"}[kind]
    return CodeHost(host=kind, repository=repository, url=server.url, token=SecretStr(TOKEN), **more)


RULES = "/repos/shop/orders/rules/branches/main"
PROTECTION = "/repos/shop/orders/branches/main/protection/required_status_checks"
PULL = "/repos/shop/orders/pulls/7"
PROJECT = "/projects/shop%2Fback%2Forders"
REQUEST = f"{PROJECT}/merge_requests/7"
WANTED = ("stationmaster",)


def rule(*contexts: str) -> dict[str, Any]:
    required = [{"context": one, "integration_id": 15368} for one in contexts]
    return {
        "type": "required_status_checks", "ruleset_source_type": "Repository", "ruleset_source": "shop/orders",
        "ruleset_id": 42,
        "parameters": {"required_status_checks": required, "strict_required_status_checks_policy": True},
    }  # fmt: skip


def protection(*contexts: str) -> dict[str, Any]:
    return {
        "url": "https://api.github.com/…", "strict": True, "contexts": list(contexts),
        "contexts_url": "https://api.github.com/…", "checks": [{"context": one, "app_id": 1} for one in contexts],
    }  # fmt: skip


UNPROTECTED = Answer({"message": "Branch not protected", "documentation_url": "…", "status": "404"}, 404)
NO_CHECKS = Answer({"message": "Required status checks not enabled", "status": "404"}, 404)
HIDDEN = Answer({"message": "Not Found", "status": "404"}, 404)
FORBIDDEN = Answer({"message": "Resource not accessible by integration", "status": "403"}, 403)
NO_TOKEN = Answer({"message": "Bad credentials", "status": "401"}, 401)
PAID = Answer({"message": "Upgrade to GitHub Pro or make this repository public to enable this feature."}, 403)
SPENT = Answer({"message": "API rate limit exceeded"}, 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"})
DOWN = Answer(b"<html>502</html>", 502)
PULL_RULE = {"type": "pull_request", "parameters": {}}


@pytest.mark.parametrize(
    ("rules", "protected", "answer", "words"),
    [
        (Answer([PULL_RULE, rule("stationmaster")]), UNPROTECTED, "yes", "main requires stationmaster"),
        (Answer([]), Answer(protection("lint", "stationmaster")), "yes", "main requires lint, stationmaster"),
        (Answer([rule("stationmaster")]), HIDDEN, "yes", "stationmaster"),  # enough is known
        (FORBIDDEN, Answer(protection("stationmaster")), "yes", "stationmaster"),
        (Answer([]), UNPROTECTED, "no", "main requires no check; stationmaster is not among them"),
        (Answer([PULL_RULE]), NO_CHECKS, "no", "main requires no check"),
        (Answer([rule("lint")]), Answer(protection("unit")), "no", "main requires lint, unit; stationmaster is not"),
        (Answer([]), HIDDEN, "unknown", "answered 404"),
        (Answer([rule("lint")]), FORBIDDEN, "unknown", "Resource not accessible by integration"),
        (Answer([]), PAID, "unknown", "Upgrade to GitHub Pro"),
        (Answer([]), NO_TOKEN, "unknown", "Bad credentials"),
        (HIDDEN, UNPROTECTED, "unknown", "Not Found"),
        (SPENT, UNPROTECTED, "unknown", "asked too often"),
        (DOWN, UNPROTECTED, "unknown", "HTTP 502"),
        (Answer(b"no json"), UNPROTECTED, "unknown", "no JSON"),
        (Answer({"rules": []}), UNPROTECTED, "unknown", "no list"),
        (Answer([{"type": "required_status_checks"}]), UNPROTECTED, "unknown", "not understood"),
    ],
)
def test_what_github_says_of_required_checks(
    server: Server, rules: Answer, protected: Answer, answer: str, words: str
) -> None:
    server.answers |= {RULES: rules, PROTECTION: protected}
    found = host(server).requires("main", WANTED)
    assert (found.answer, words in found.detail) == (answer, True), found


def test_a_branch_with_a_slash_is_one_part_of_the_path(server: Server) -> None:
    host(server).requires("release/1.0", WANTED)
    assert server.asked[0][1] == "/repos/shop/orders/rules/branches/release%2F1.0"


def project(**settings: Any) -> Answer:
    return Answer({"id": 3, "default_branch": "main", "only_allow_merge_if_pipeline_succeeds": True, **settings})


def branch(name: str, *levels: int, **more: Any) -> dict[str, Any]:
    words = {0: "No one", 30: "Developers + Maintainers", 40: "Maintainers"}
    push = [{"id": 1, "access_level": one, "access_level_description": words[one], **more} for one in levels]
    return {"id": 1, "name": name, "push_access_levels": push, "merge_access_levels": [], "allow_force_push": False}


SHUT = Answer([branch("main", 0)])


@pytest.mark.parametrize(
    ("settings", "branches", "answer", "words"),
    [
        (project(), SHUT, "yes", "main requires a passed pipeline (stationmaster)"),
        (project(), Answer([branch("other", 40), branch("ma*", 0)]), "yes", ""),
        (project(only_allow_merge_if_pipeline_succeeds=False), SHUT, "no", "do not need a passed pipeline"),
        (project(allow_merge_on_skipped_pipeline=True), SHUT, "no", "a skipped pipeline counts as passed"),
        (project(), Answer([branch("other", 0), branch("mai", 0), branch("main-*", 0)]), "no", "main is not protected"),
        (project(), Answer([branch("main", 40)]), "no", "Maintainers may push to main past the pipeline"),
        (project(), Answer([branch("main", 0), branch("*", 30)]), "no", "Developers + Maintainers may push to *"),
        (project(), Answer([branch("main", 0, user_id=5)]), "no", "may push to main"),
        (Answer({"id": 3, "default_branch": "main"}), SHUT, "unknown", "may not read the settings"),
        (project(), Answer({"message": "403 Forbidden"}, 403), "unknown", "403 Forbidden"),
        (project(), Answer({"error": "invalid_token"}, 401), "unknown", "invalid_token"),
        (Answer({"message": "404 Project Not Found"}, 404), SHUT, "unknown", "404 Project Not Found"),
        (project(), Answer(b"Retry later", 429, {"Retry-After": "30"}), "unknown", "asked too often"),
        (project(), Answer([{"name": "main"}]), "unknown", "not understood"),
    ],
)
def test_what_gitlab_says_of_pipelines(
    server: Server, settings: Answer, branches: Answer, answer: str, words: str
) -> None:
    server.answers |= {PROJECT: settings, f"{PROJECT}/protected_branches": branches}
    found = host(server, "gitlab").requires("main", WANTED)
    assert (found.answer, words in found.detail) == (answer, True), found


def test_a_host_that_is_away_is_unknown(server: Server) -> None:
    away = CodeHost(host="github", repository="shop/orders", url="http://127.0.0.1:1")
    assert away.requires("main", WANTED).answer == "unknown"
    with pytest.raises(CodeHostUnavailableError, match=r"127\.0\.0\.1 did not answer: ConnectError"):
        away.default_branch()


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_the_default_branch(server: Server, kind: str) -> None:
    for path in ("/repos/shop/orders", PROJECT):
        server.tell(path, {"default_branch": "trunk"})
    assert host(server, kind).default_branch() == "trunk"


def user(login: str) -> dict[str, Any]:
    return {"login": login, "id": 1, "username": login, "name": login.title()}


def pull(number: int = 7, *, merged: bool = True, updated: str = "2026-11-23T08:00:00Z", **more: Any) -> dict[str, Any]:
    return {
        "number": number, "title": "Add totals", "state": "closed", "user": user("ana"), "labels": [{"name": "hotfix"}],
        "merged_at": "2026-11-23T07:00:00Z" if merged else None, "updated_at": updated, "merge_commit_sha": SHA,
        "base": {"ref": "main"}, "head": {"ref": "totals", "sha": HEAD}, "html_url": "https://github.com/…/7", **more,
    }  # fmt: skip


def commit(name: str, login: str | None, message: str = "Add it", by: str = "") -> dict[str, Any]:
    """A commit by somebody, which GitHub's own page made unless it was `by` somebody else."""
    author, page = person(name), person(by) if by else {"name": "GitHub", "email": "noreply@github.com"}
    return {
        "sha": SHA, "author": user(login) if login else None, "committer": user(by or "web-flow"),
        "commit": {"author": author, "committer": page, "message": message},
    }  # fmt: skip


def person(name: str) -> dict[str, str]:
    return {"name": name.title(), "email": f"{name}@shop.example", "date": "2026-11-22T08:00:00Z"}


CO = "Add it\n\nCo-authored-by: Cem <cem@shop.example>\nco-authored-by:  Ana <ana@shop.example>\n"


def tell_pull(server: Server, **more: Any) -> None:
    server.tell(PULL, pull(merged=False) | {"merged": False, "commits": 3, "changed_files": 2} | more)
    server.tell(f"{PULL}/commits", [commit("ana", "ana"), commit("ben", None, CO), commit("ana", "ana")], page=2)
    renamed = {"filename": "new.py", "status": "renamed", "previous_filename": "old.py"}
    server.tell(f"{PULL}/files", [{"filename": "app.py", "status": "modified"}, renamed])
    said = [("ben", "COMMENTED"), ("ben", "APPROVED"), ("cem", "CHANGES_REQUESTED"), ("dia", "DISMISSED")]
    reviews = [
        {"user": user(who), "state": state, "submitted_at": "2026-11-22T09:00:00Z", "commit_id": HEAD}
        for who, state in said
    ]
    pending = {"user": user("eve"), "state": "PENDING", "commit_id": HEAD}
    ghost = {"user": None, "state": "APPROVED", "submitted_at": "2026-11-22T10:00:00Z", "commit_id": HEAD}
    server.tell(f"{PULL}/reviews", [*reviews, pending, ghost], page=2)


def test_a_pull_request_of_github_with_all_that_was_said_and_done(server: Server) -> None:
    tell_pull(server, merged=True, merged_at="2026-11-23T07:00:00Z")
    found = host(server).pull_request(7)
    assert (found.base, found.head, found.author, found.labels) == ("main", HEAD, "ana", ("hotfix",))
    assert found.merged is not None
    assert (found.merged.commit, found.merged.merged_at) == (SHA, AT.replace(hour=7))
    assert [(one.by, one.state) for one in found.reviews] == [
        ("ben", "commented"), ("ben", "approved"), ("cem", "changes_requested"), ("dia", "dismissed"),
        (None, "approved"),
    ]  # fmt: skip
    assert found.reviews[0] == Review(by="ben", state="commented", at=AT.replace(day=22, hour=9), commit=HEAD)
    assert found.authors == (
        Author(name="Ana", email="ana@shop.example", login="ana"),
        Author(name="GitHub", email="noreply@github.com", login="web-flow"),
        Author(name="Ben", email="ben@shop.example"),
        Author(name="Cem", email="cem@shop.example"),
        Author(name="Ana", email="ana@shop.example"),
    )
    assert found.files == ("app.py", "new.py", "old.py")
    assert found.gaps == ()


def test_one_that_was_closed_without_a_merge_has_no_commit_although_github_sends_one(server: Server) -> None:
    tell_pull(server)
    assert host(server).pull_request(7).merged is None


def test_what_github_does_not_list_is_said(server: Server) -> None:
    tell_pull(server, commits=300, changed_files=4000)
    assert host(server).pull_request(7).gaps == ("3 of 300 commits are listed", "2 of 4000 files are listed")


def test_whoever_committed_it_had_a_part_in_it(server: Server) -> None:
    tell_pull(server, commits=1)
    server.tell(f"{PULL}/commits", [commit("ana", "ana", by="dia")])
    assert host(server).pull_request(7).authors[1] == Author(name="Dia", email="dia@shop.example", login="dia")


def test_who_pushed_what_is_in_it_now_at_github(server: Server) -> None:
    head = {"ref": "totals/1", "sha": HEAD, "repo": {"full_name": "shop/orders"}}
    tell_pull(server, head=head)
    pushes = [("dia", SHA), ("eve", 40 * "9"), ("ana", SHA)]  # the second was taken back by a forced push
    activity = [{"actor": user(who), "after": after, "activity_type": "push"} for who, after in pushes]
    server.tell("/repos/shop/orders/activity", [*activity, {"actor": None, "after": SHA}], page=2)
    assert host(server).pull_request(7).pushers == ("dia", "ana")
    assert [query["ref"] for _, path, query, _ in server.asked if path.endswith("/activity")] == [
        "refs/heads/totals/1"
    ] * 2
    server.tell("/repos/shop/orders/activity", {"message": "Forbidden"}, 403)
    assert host(server).pull_request(7).pushers == ()  # it does not tell
    tell_pull(server, head=head | {"repo": {"full_name": "eve/fork"}})
    server.tell("/repos/shop/orders/activity", [])
    before = len(server.asked)
    assert host(server).pull_request(7).pushers == ()
    assert not any(path.endswith("/activity") for _, path, _, _ in server.asked[before:])


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_by_which_merged_requests_a_commit_came(server: Server, kind: str) -> None:
    server.tell(f"/repos/shop/orders/commits/{SHA}/pulls", [pull(7), pull(8, merged=False), pull(9)], page=2)
    listed = [request(7), request(8, state="opened"), request(9)]
    server.tell(f"{PROJECT}/repository/commits/{SHA}/merge_requests", listed, page=2)
    assert host(server, kind).introduced(SHA) == (7, 9)


def test_a_commit_that_github_has_not_got_came_by_no_request(server: Server) -> None:
    path = f"/repos/shop/orders/commits/{SHA}/pulls"
    server.tell(path, {"message": f"No commit found for SHA: {SHA}"}, 422)
    assert host(server).introduced(SHA) == ()
    server.tell(path, {"message": "Not Found"}, 404)  # what a token may not see is no answer
    with pytest.raises(CodeHostRefusedError):
        host(server).introduced(SHA)


def request(number: int = 7, updated: str = "2026-11-23T08:00:00.000Z", **more: Any) -> dict[str, Any]:
    return {
        "iid": number, "title": "Add totals", "state": "merged", "author": user("ana"), "labels": ["hotfix"],
        "target_branch": "main", "sha": HEAD, "merge_commit_sha": SHA, "squash_commit_sha": None, "changes_count": "2",
        "merged_at": "2026-11-23T07:00:00.123Z", "updated_at": updated, "web_url": "https://gitlab.com/…/7", **more,
    }  # fmt: skip


def tell_request(server: Server, **more: Any) -> None:
    server.tell(REQUEST, request(**more))
    server.tell(f"{REQUEST}/approvals", {"approvals_required": 1, "approved_by": [{"user": user("ben")}]})
    names = {"author_name": "Ana", "author_email": "ana@shop.example"}
    server.tell(f"{REQUEST}/commits", [{"id": SHA, **names, "message": text} for text in ("Add it", CO)], page=1)
    moved = {"new_path": "new.py", "old_path": "old.py", "renamed_file": True}
    server.tell(f"{REQUEST}/diffs", [{"new_path": "app.py", "old_path": "app.py"}, moved], page=1)


def test_a_merge_request_of_gitlab_with_all_that_was_said_and_done(server: Server) -> None:
    tell_request(server)
    found = host(server, "gitlab").pull_request(7)
    assert found.merged is not None
    assert (found.merged.commit, found.merged.author, found.labels) == (SHA, "ana", ("hotfix",))
    assert found.reviews == (Review(by="ben", state="approved"),)
    assert [one.name for one in found.authors] == ["Ana", "Cem"]
    assert found.files == ("app.py", "new.py", "old.py")
    assert found.gaps == ()


@pytest.mark.parametrize(
    ("approved_at", "head"),
    [
        ("2026-11-22T09:30:00.000Z", SHA), ("2026-11-22T10:00:00.001Z", HEAD), ("2026-11-22T08:59:00Z", None),
        ("2026-11-22T10:00:00Z", SHA), (None, None),
    ],
)  # fmt: skip
def test_what_was_approved_at_gitlab_is_the_head_it_had_received_by_then(
    server: Server, approved_at: str | None, head: str | None
) -> None:
    """By GitLab's own clock, at which it received each version: no date of a commit."""
    tell_request(server)
    server.tell(f"{REQUEST}/approvals", {"approved_by": [{"user": user("ben"), "approved_at": approved_at}]})
    times = [(HEAD, "2026-11-22T10:00:00Z"), (SHA, "2026-11-22T09:00:00.000Z")]
    server.tell(f"{REQUEST}/versions", [{"head_commit_sha": sha, "created_at": at} for sha, at in times])
    assert [one.commit for one in host(server, "gitlab").pull_request(7).reviews] == [head]
    server.tell(f"{REQUEST}/versions", {"message": "403 Forbidden"}, 403)
    assert [one.commit for one in host(server, "gitlab").pull_request(7).reviews] == [None]


@pytest.mark.parametrize(
    ("more", "commit"),
    [
        ({"merge_commit_sha": None, "squash_commit_sha": 40 * "c"}, 40 * "c"),
        ({"merge_commit_sha": None}, HEAD),  # fast-forward
        ({"state": "closed"}, None),
        ({"state": "opened", "merged_at": None}, None),
    ],
)
def test_what_the_target_got_at_gitlab(server: Server, more: dict[str, Any], commit: str | None) -> None:
    tell_request(server, **more)
    merged = host(server, "gitlab").pull_request(7).merged
    assert (merged.commit if merged else None) == commit


@pytest.mark.parametrize(("counted", "gaps"), [("1000+", ("2 of 1000+ files are listed",)), ("3", 1), (None, ())])
def test_what_gitlab_does_not_list_is_said(server: Server, counted: str | None, gaps: Any) -> None:
    tell_request(server, changes_count=counted)
    found = host(server, "gitlab").pull_request(7).gaps
    assert found == gaps or len(found) == gaps


def test_what_was_merged_since_a_cursor_at_github(server: Server) -> None:
    listed = [
        pull(9, updated="2026-11-23T09:30:00Z"), pull(8, merged=False, updated="2026-11-23T09:00:00Z"),
        pull(7, updated="2026-11-23T08:30:00Z", base={"ref": "wip"}), pull(9, updated="2026-11-23T08:20:00Z"),
        pull(6, updated="2026-11-23T08:00:00Z", merged_at="2026-11-20T07:00:00Z"),
        pull(5, updated="2026-11-23T07:59:59Z"), pull(4, updated="2026-11-01T00:00:00Z"),
    ]  # fmt: skip
    server.tell("/repos/shop/orders/pulls", listed, page=2)
    found = host(server).merged_since(AT, ["main", "hotfix/1.0"])
    assert [one.number for one in found.changes] == [6, 9]
    assert found.cursor == AT.replace(hour=9, minute=30)
    assert [query.get("page") for _, _, query, _ in server.asked] == [None, "2", "3"]  # the fourth is too old
    assert {query["state"] + query["sort"] + query["direction"] for _, _, query, _ in server.asked} == {
        "closedupdateddesc"
    }


def test_what_was_merged_since_a_cursor_at_gitlab(server: Server) -> None:
    listed = [request(8, "2026-11-23T09:00:00.500Z"), request(7, target_branch="wip"), request(6)]
    server.tell(f"{PROJECT}/merge_requests", listed, page=2)
    found = host(server, "gitlab").merged_since(AT, ["main"])
    assert [one.number for one in found.changes] == [8, 6]
    assert found.cursor == AT.replace(hour=9, microsecond=500_000)
    assert server.asked[0][2]["updated_after"] == "2026-11-23T08:00:00+00:00"


def test_nothing_new_leaves_the_cursor_where_it_is(server: Server) -> None:
    server.tell("/repos/shop/orders/pulls", [])
    found = host(server).merged_since(AT, ["main"])
    assert (found.changes, found.cursor) == ((), AT)


def test_a_list_without_end_is_given_up(server: Server) -> None:
    server.tell(RULES, [PULL_RULE] * 101, page=1)
    assert "more than 100 pages" in host(server).requires("main", WANTED).detail


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (Answer({"message": "Bad credentials"}, 401), CodeHostRefusedError, "401"),
        (Answer({"message": "Not Found"}, 404), CodeHostRefusedError, "Not Found"),
        (Answer([1], 403), CodeHostRefusedError, "no reason given"),
        (Answer(b"<html>", 503), CodeHostUnavailableError, "HTTP 503"),
        (Answer({"default": 1}), CodeHostUnavailableError, "not understood"),
        (Answer([]), CodeHostUnavailableError, "not understood"),
        (Answer(b"[" * 100_000), CodeHostUnavailableError, "no JSON"),
        (Answer(b" " * ((32 << 20) + 1)), CodeHostUnavailableError, "larger than 32 MiB"),
    ],
)
def test_what_is_no_answer_has_a_name(server: Server, answer: Answer, error: type[Exception], said: str) -> None:
    server.answers["/repos/shop/orders"] = answer
    with pytest.raises(error, match=said) as told:
        host(server).default_branch()
    assert TOKEN not in f"{told.value} {told.value.__cause__}"


@pytest.mark.parametrize(
    ("status", "headers", "message", "seconds"),
    [
        (429, {"Retry-After": "30"}, "", 30),
        (403, {"Retry-After": "7"}, "You have exceeded a secondary rate limit", 7),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000"}, "API rate limit exceeded", 0),
        (429, {"RateLimit-Remaining": "0", "RateLimit-Reset": "1000"}, "", 0),
        (403, {}, "You have exceeded a secondary rate limit", 60),
        (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "", 60),
    ],
)
def test_a_host_that_is_asked_too_often_says_when_again(
    server: Server, status: int, headers: dict[str, str], message: str, seconds: float
) -> None:
    server.answers["/repos/shop/orders"] = Answer({"message": message}, status, headers)
    with pytest.raises(CodeHostBusyError) as busy:
        host(server).default_branch()
    assert busy.value.seconds == seconds


def test_a_renamed_repository_is_followed_and_a_token_goes_nowhere_else(server: Server) -> None:
    server.tell("/repos/shop/orders", {}, 301, Location="/repositories/5")
    server.tell("/repositories/5", {"default_branch": "main"})
    assert host(server).default_branch() == "main"
    with serving() as other:
        other.tell("/stolen", {"default_branch": "evil"})
        server.tell("/repos/shop/orders", {}, 302, Location=f"{other.url}/stolen")
        host(server).default_branch()
        assert [headers.get("Authorization") for *_, headers in other.asked] == [None]


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080", "http://127.9.9.9", "http://[::1]/api", "http://localhost"]
)
def test_this_machine_may_be_asked_without_tls(address: str) -> None:
    assert CodeHost(host="github", repository="shop/orders", url=address).url == address


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "http://github.shop.example"}, "https://"),
        ({"url": "http://127.evil.example"}, "https://"),
        ({"url": "http://127.0.0.1.evil.example"}, "https://"),
        ({"url": "http://localhost.evil.example"}, "https://"),
        ({"url": "ftp://127.0.0.1"}, "https://"),
        ({"repository": "shop"}, "repository"),
        ({"repository": "shop/../admin"}, "repository"),
        ({"repository": "shop/orders?x=1"}, "repository"),
        ({"token": "two words"}, "one word"),
        ({"token": "newline\n"}, "one word"),
        ({"host": "svn"}, "host"),
    ],
)
def test_a_block_that_would_lead_astray_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        CodeHost(**({"host": "github", "repository": "shop/orders"} | fields))
    assert "newline" not in wrong_fields(refused.value)


def test_co_authors_are_read_as_people_write_them() -> None:
    message = (
        "x\nCo-authored-by:Cem\t <cem@shop.example> \r\nCO-AUTHORED-BY: <ana@shop.example>\nco-authored-by: Bo\n<bo@x>"
    )
    assert list(co_authors(message)) == [
        Author(name="Cem", email="cem@shop.example"), Author(name="", email="ana@shop.example"),
        Author(name="Bo", email=""),
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["co-authored-by:{}", "co-authored-by:{}x", "co-authored-by: x <x@x>{}x", "{}"])
def test_a_message_of_blanks_is_read_in_time_that_grows_with_it(line: str) -> None:
    """Sixteen times the length; what is square would take 256 times as long."""

    def seconds(length: int) -> float:
        message, times = line.format(length * " "), []
        for _ in range(5):
            begin = time.perf_counter()
            assert len(list(co_authors(message))) <= 1
            times.append(time.perf_counter() - begin)
        return min(times)

    assert seconds(64 << 10) < 64 * max(seconds(4 << 10), 1e-5)
