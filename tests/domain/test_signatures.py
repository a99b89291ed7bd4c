"""Who has the secret is believed, and nobody else: one changed byte, header or minute and the delivery is refused."""

import base64
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.signatures import refusal, slack_refusal, standard_key
from tests.hook_deliveries import KEY, NOW, SECRET, STANDARD, github, gitlab, slack, standard

BODY = b'{"object_kind":"merge_request"}'


def test_the_example_of_githubs_documentation_is_believed() -> None:
    """https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries, testing the validation."""
    header = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
    assert refusal("github", "It's a Secret to Everybody", header, b"Hello, World!", NOW) is None
    assert refusal("github", "It's a secret to everybody", header, b"Hello, World!", NOW) is not None


def test_the_example_of_standard_webhooks_is_believed() -> None:
    """https://github.com/standard-webhooks/standard-webhooks, the example of its specification's libraries."""
    at = NOW.fromtimestamp(1614265330, NOW.tzinfo)
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert refusal("gitlab", secret, headers, b'{"test": 2432232314}', at) is None


@pytest.mark.parametrize("name", ["x-hub-signature-256"])
@pytest.mark.parametrize("value", [None, "", "sha256=", "sha1=abc", "sha256=" + 64 * "0", "caf\xe9", "\u20ac"])
def test_github_without_its_signature_is_refused(name: str, value: str | None) -> None:
    headers = {key: text for key, text in github(BODY).items() if key != name}
    headers |= {} if value is None else {name: value}
    assert "X-Hub-Signature-256" in (refusal("github", SECRET, headers, BODY, NOW) or "")


def test_the_older_sha1_signature_of_github_is_no_signature() -> None:
    assert refusal("github", SECRET, {"x-hub-signature": "sha1=00"}, BODY, NOW) is not None


@pytest.mark.parametrize("token", [SECRET + " ", SECRET.upper(), "", "caf\xe9"])
def test_gitlab_with_another_token_is_refused(token: str) -> None:
    assert refusal("gitlab", SECRET, gitlab(), BODY, NOW) is None
    assert refusal("gitlab", SECRET, gitlab(token), BODY, NOW) == "X-Gitlab-Token is another"


def test_gitlab_without_a_token_is_refused() -> None:
    assert refusal("gitlab", SECRET, {}, BODY, NOW) == "there is no X-Gitlab-Token header"


def test_a_signing_secret_is_never_taken_as_a_token() -> None:
    assert refusal("gitlab", STANDARD, gitlab(STANDARD), BODY, NOW) is not None


@pytest.mark.parametrize(("seconds", "believed"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_a_timestamp_holds_for_five_minutes_either_way(seconds: int, believed: bool) -> None:  # noqa: FBT001 - a table
    said = refusal("gitlab", STANDARD, standard(BODY), BODY, NOW + timedelta(seconds=seconds))
    assert (said is None) is believed
    assert believed or "within 5 minutes" in str(said)


@pytest.mark.parametrize("stamp", ["soon", "-1", "1e9", " 1795420800", "1795420800.0", "9" * 5000, "\u0661"])
def test_a_timestamp_that_is_no_number_is_refused(stamp: str) -> None:
    headers = standard(BODY) | {"webhook-timestamp": stamp}
    assert "webhook-timestamp" in str(refusal("gitlab", STANDARD, headers, BODY, NOW))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    headers = {key: text for key, text in standard(BODY).items() if key != name}
    assert name in str(refusal("gitlab", STANDARD, headers, BODY, NOW))


def test_one_of_several_signatures_is_enough() -> None:
    """As hosts send them while a key is being replaced; versions that we do not know are passed over."""
    right, other = (standard(BODY, key=key)["webhook-signature"] for key in (KEY, b"another key"))
    for listed in (f"{other} {right}", f"{right} {other}", f"v1a,AAAA {right}"):
        assert refusal("gitlab", STANDARD, standard(BODY) | {"webhook-signature": listed}, BODY, NOW) is None
    for listed in (other, right.replace("v1,", "v2,"), right.removeprefix("v1,"), right.replace(",", "")):
        assert refusal("gitlab", STANDARD, standard(BODY) | {"webhook-signature": listed}, BODY, NOW) is not None


@pytest.mark.parametrize("secret", ["whsec_", "whsec_~~~", "whsec_abc", "whsec_caf\xe9"])
def test_a_signing_secret_must_hold_a_key(secret: str) -> None:
    with pytest.raises(ValueError, match="key in base64"):
        standard_key(secret)


def test_a_plain_token_has_no_key() -> None:
    assert standard_key("token") is None
    assert standard_key(STANDARD) == KEY


@given(st.binary(max_size=60), st.integers(0, 59), st.integers(1, 255))
def test_one_changed_byte_of_the_body_is_seen(body: bytes, place: int, by: int) -> None:
    at = place % (len(body) + 1)
    changed = body[:at] + bytes([(body[at] + by) % 256]) + body[at + 1 :] if at < len(body) else body + b"\0"
    for host, secret, headers in (("github", SECRET, github(body)), ("gitlab", STANDARD, standard(body))):
        assert refusal(host, secret, headers, body, NOW) is None  # type: ignore[arg-type] # a table of both hosts
        assert refusal(host, secret, headers, changed, NOW) is not None  # type: ignore[arg-type]


@given(st.dictionaries(st.sampled_from([*standard(BODY), *github(BODY), *gitlab()]), st.text(max_size=40)))
def test_no_headers_are_believed_by_chance_and_none_break_it(headers: dict[str, str]) -> None:
    made = {name: text for name, text in headers.items() if text != SECRET}
    for host, secret in (("github", SECRET), ("gitlab", SECRET), ("gitlab", STANDARD)):
        assert refusal(host, secret, made, BODY, NOW) is not None  # type: ignore[arg-type] # a table of both hosts


def test_the_key_is_what_follows_the_prefix_decoded() -> None:
    assert standard_key("whsec_" + base64.b64encode(b"k").decode()) == b"k"


def test_the_example_of_slacks_documentation_is_believed() -> None:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack, its example of a slash command."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    at = NOW.fromtimestamp(1531420618, NOW.tzinfo)
    headers = {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    assert slack_refusal("8f742231b10e8888abcd99yyyzzz85a5", headers, body, at) is None
    assert slack_refusal("8f742231b10e8888abcd99yyyzzz85a6", headers, body, at) is not None


@pytest.mark.parametrize(("seconds", "believed"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_a_press_holds_for_five_minutes_either_way(seconds: int, believed: bool) -> None:  # noqa: FBT001 - a table
    said = slack_refusal(SECRET, slack(BODY), BODY, NOW + timedelta(seconds=seconds))
    assert (said is None) is believed


@pytest.mark.parametrize("name", ["x-slack-signature", "x-slack-request-timestamp"])
@pytest.mark.parametrize("value", [None, "", "v0=", "v1=abc", "1e9", "caf\xe9", "\u20ac"])
def test_a_press_without_its_signature_is_refused(name: str, value: str | None) -> None:
    headers = {key: text for key, text in slack(BODY).items() if key != name}
    headers |= {} if value is None else {name: value}
    assert slack_refusal(SECRET, headers, BODY, NOW) is not None


def test_the_time_of_a_press_is_signed_with_it() -> None:
    headers = slack(BODY) | {"x-slack-request-timestamp": str(int(NOW.timestamp()) + 1)}
    assert "does not fit" in str(slack_refusal(SECRET, headers, BODY, NOW))
