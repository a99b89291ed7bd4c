"""The receiver's file: what is wrong is named with its line, and no secret is ever repeated."""

import pytest

from stationmaster.domain.documents import DocumentError, read
from stationmaster.domain.hooks import Hook, Receiver

GOOD = """\
inbox: sqlite:////var/lib/stationmaster/ledger.db
hooks:
  shop:
    host: github
    product: shop
    secret_env: SHOP_HOOK_SECRET
  shop-mirror:
    host: gitlab
    product: shop
    secret: whsec_MDEyMzQ1Njc4OWFiY2RlZg==
    base: [main, "hotfix/*"]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read(Receiver, text, "receiver.yaml")
    assert "hunter" not in f"{caught.value}{caught.value.record()}"
    return str(caught.value).splitlines()


def test_a_good_file_is_read() -> None:
    found = read(Receiver, GOOD, "receiver.yaml").value
    assert (found.hooks["shop"].base, found.hooks["shop-mirror"].base) == (("main",), ("main", "hotfix/*"))
    assert found.hooks["shop"].secret_env == "SHOP_HOOK_SECRET"


def test_a_file_that_is_printed_shows_no_secret() -> None:
    found = read(Receiver, GOOD.replace("sqlite:////var", "postgresql://app:hunter@db/x"), "receiver.yaml").value
    assert "MDEyMzQ1" not in repr(found)
    assert "hunter" not in repr(found)
    assert "MDEyMzQ1" not in found.model_dump_json()


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("host: github", "host: githup", "receiver.yaml:4: hooks.shop.host: 'githup' is not known (did you mean"),
        ("    product: shop\n    secret_env", "    prodcut: shop\n    secret_env", "did you mean 'product'?"),
        ("secret_env:", "secret-env:", "receiver.yaml:6: unknown key 'secret-env' in hooks.shop (did you mean 'sec"),
        ("hooks:", "hook:", "receiver.yaml:2: unknown key 'hook' (did you mean 'hooks'?)"),
        ("  shop:", "  Shop!:", "receiver.yaml:3: unknown key 'Shop!' in hooks"),
        ("secret_env: SHOP_HOOK_SECRET", "secret_env: $SECRET", "receiver.yaml:6: hooks.shop.secret_env: must match"),
        ("    secret_env: SHOP_HOOK_SECRET\n", "", "receiver.yaml:3: hooks.shop: one of secret, secret_env and secret"),
        ("SHOP_HOOK_SECRET", "X\n    secret: hunter2", "hooks.shop: one of secret, secret_env and secret_block is nee"),
        ("secret_env: SHOP_HOOK_SECRET", "secret: 7", "receiver.yaml:6: hooks.shop.secret: must be text; write quotes"),
        ("secret_env: SHOP_HOOK_SECRET", 'secret: ""', "receiver.yaml:6: hooks.shop.secret: "),
        ("secret_env: SHOP_HOOK_SECRET", r'secret: "hunter\ud800"', "the secret has characters that cannot be written"),
        ("MDEyMzQ1Njc4OWFiY2RlZg==", "hunter~", "must go on with a key in base64"),
        ("MDEyMzQ1Njc4OWFiY2RlZg==", '"', "receiver.yaml"),
        ('[main, "hotfix/*"]', "[]", "receiver.yaml:11: hooks.shop-mirror.base: must not be empty"),
        ('[main, "hotfix/*"]', "main", "receiver.yaml:11: hooks.shop-mirror.base: must be a list"),
        ("inbox: sqlite:////var/lib/stationmaster/ledger.db\n", "", "missing key 'inbox'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(right: str, wrong: str, said: str) -> None:
    assert right in GOOD
    told = problems(GOOD.replace(right, wrong, 1))
    assert any(said in problem for problem in told), told


@pytest.mark.parametrize(
    ("branch", "watched"),
    [("main", True), ("hotfix/1.2.0", True), ("hotfix", False), ("maintenance", False), ("Main", False)],
)
def test_a_hook_watches_the_branches_it_names(branch: str, watched: bool) -> None:  # noqa: FBT001 - a table
    hook = Hook.model_validate({"host": "github", "product": "shop", "secret": "x", "base": ["main", "hotfix/*"]})
    assert hook.watches(branch) is watched
