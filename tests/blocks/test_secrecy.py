"""Every secret a toolbox holds is hidden, in each spelling in which a message may quote it."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import create_engine

from stationmaster.blocks.chat import SlackChat
from stationmaster.blocks.database import ProductDatabase
from stationmaster.blocks.secrecy import mask_of
from stationmaster.blocks.settings import ProductSecrets
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.tenant_http import HttpDirectory
from stationmaster.blocks.tenant_sql import SqlDirectory
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.ledger.store import Ledger
from tests.ledgers import laid_at

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40)


def toolbox(secret: str) -> Toolbox:
    address = SecretStr(f"postgresql://app:{quote(secret, safe='')}@db/shop")
    nothing: Any = SimpleNamespace()
    return Toolbox(
        ledger=nothing, source=nothing, artifacts=nothing, target=nothing, metrics=nothing, tenants=nothing,
        flags=nothing, now=nothing, sleep=nothing, work=Path("/"),
        database=ProductDatabase(databases={"cloud": address}, scratch=address),
        chat=SlackChat(token=SecretStr(f"xoxb-{secret}"), channel="C1"),
        signer=FileSigner(key=SecretStr(f"-----BEGIN-----\n{secret}\n-----END-----"), approvers="/a"),
        secrets=ProductSecrets(environment={"TOKEN": SecretStr(secret)}, journeys={}),
    )  # fmt: skip


@given(SECRETS)
def test_no_spelling_of_a_secret_is_left(secret: str) -> None:
    mask = mask_of(toolbox(secret))
    said = f"{secret} in {json.dumps(secret)} of postgresql://app:{quote(secret, safe='')}@db/shop"
    for spelling in (secret, json.dumps(secret)[1:-1], quote(secret, safe="")):
        assert spelling not in mask.text(said)


@given(SECRETS)
def test_the_secret_of_a_tenant_directory_is_hidden_wherever_the_tenants_come_from(secret: str) -> None:
    address = f"postgresql://app:{quote(secret, safe='')}@db/crm"
    by_query = SqlDirectory(url=SecretStr(address), query="SELECT 1 AS id")
    by_http = HttpDirectory(url="https://crm.example/tenants", token=SecretStr(secret))
    for tenants in (by_query, by_http):
        mask = mask_of(replace(toolbox("another-secret"), tenants=tenants))
        assert secret not in mask.text(f"{secret} in {address}")


@given(SECRETS)
def test_the_password_of_the_ledger_is_hidden_wherever_it_stands_in_its_address(secret: str) -> None:
    """Its block is not kept: `assemble` opens it."""
    coded = quote(secret, safe="")
    for address in (f"app:{coded}@db/ledger", f"app@db/ledger?password={coded}"):
        ledger = Ledger(create_engine(f"postgresql+psycopg://{address}"))
        mask = mask_of(replace(toolbox("another-secret"), ledger=ledger))
        assert secret not in mask.text(f"{secret} in {json.dumps(secret)} of {coded}")
        assert coded not in mask.text(f"postgresql+psycopg://{address}")


def test_where_a_ledger_without_a_password_is_may_be_told(tmp_path: Path) -> None:
    with Ledger.open(laid_at(tmp_path / "ledger.db")) as ledger:
        said = f"the ledger at {ledger.engine.url} does not answer"
        assert mask_of(replace(toolbox("another-secret"), ledger=ledger)).text(said) == said


def test_what_is_no_secret_stays() -> None:
    said = "database 'cloud' does not answer: connection refused"
    assert mask_of(toolbox("hunter2-secret")).text(said) == said


def test_short_words_stay_readable() -> None:
    assert mask_of(toolbox("on")).text("the window is not on") == "the window is not on"
