"""The receiver's file on disk and the secrets it names; what is missing is named, and what is there is not."""

from pathlib import Path

import pytest
from prefect.blocks.system import Secret
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from stationmaster.blocks.hooks import HookSecretError, read_receiver, secrets_of
from stationmaster.blocks.toolbox import PrefectAwayError
from stationmaster.domain.errors import InputError

FILE = """\
inbox: sqlite:///inbox.db
hooks:
  hub: {host: github, product: shop, secret: in-the-file}
  lab:
    host: gitlab
    product: shop
    secret_env: LAB_SECRET
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "receiver.yaml").write_text(FILE)
    return tmp_path / "receiver.yaml"


def test_secrets_come_from_where_the_file_says(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_SECRET", "in-the-environment")
    found = secrets_of(read_receiver(str(path)))
    assert {name: secret.get_secret_value() for name, secret in found.items()} == {
        "hub": "in-the-file",
        "lab": "in-the-environment",
    }
    assert "in-the" not in repr(found)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "hook lab: there is no environment variable LAB_SECRET"),
        ("", "hook lab: environment variable LAB_SECRET: the secret is empty"),
        ("whsec_hunter~", "a secret that starts with whsec_ must go on with a key in base64"),
    ],
)
def test_a_secret_of_the_environment_that_is_none_is_named_with_its_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, said: str
) -> None:
    monkeypatch.delenv("LAB_SECRET", raising=False)
    if value is not None:
        monkeypatch.setenv("LAB_SECRET", value)
    with pytest.raises(HookSecretError) as caught:
        secrets_of(read_receiver(str(path)))
    assert said in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(path), 7)
    assert "hunter" not in str(caught.value)


def test_a_block_is_prefects_secret_as_it_was_saved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that looks like a number stays text."""
    path.write_text(FILE.replace("secret_env: LAB_SECRET", "secret_block: lab-hook"))
    saved: dict[str, Secret[str]] = {"lab-hook": Secret(value=SecretStr("12345"))}
    monkeypatch.setattr(Secret, "load", lambda name: saved[name])
    assert secrets_of(read_receiver(str(path)))["lab"].get_secret_value() == "12345"


def test_a_block_that_is_not_there_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Secret[str]:
        raise ValueError(f"Unable to find block document named {name}") from ObjectNotFound(Exception("404"))

    path.write_text(FILE.replace("secret_env: LAB_SECRET", "secret_block: lab-hook"))
    monkeypatch.setattr(Secret, "load", missing)
    with pytest.raises(HookSecretError, match="there is no Secret block 'lab-hook'") as caught:
        secrets_of(read_receiver(str(path)))
    assert caught.value.line == 7


def test_a_prefect_server_that_is_away_is_told_apart(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_name: str) -> Secret[str]:
        raise RuntimeError("Failed to reach API at http://127.0.0.1:4200/api/")

    path.write_text(FILE.replace("secret_env: LAB_SECRET", "secret_block: lab-hook"))
    monkeypatch.setattr(Secret, "load", away)
    with pytest.raises(PrefectAwayError, match="does not answer") as caught:
        secrets_of(read_receiver(str(path)))
    assert "secret_env" in str(caught.value.hint)


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), (b"\xff\xfe", "not UTF-8")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "receiver.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_receiver(str(path))
    assert caught.value.file == str(path)
