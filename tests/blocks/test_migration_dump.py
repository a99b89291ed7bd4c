"""Dumps: restored by PostgreSQL's own programs, never without somebody's word that nobody is in it."""

import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stationmaster.blocks import migration_dump as module
from stationmaster.blocks.migration_dump import (
    DumpNotAnonymisedError,
    DumpNotReadableError,
    DumpTooOldError,
    Given,
    ProgramMissingError,
    RestoreFailedError,
    described,
    program,
    restore,
)
from stationmaster.blocks.postgres import connected
from tests.conftest import Postgres

LATER = datetime(2100, 1, 1, tzinfo=UTC)  # where the age does not matter


@pytest.fixture(scope="module")
def production(postgres: Postgres) -> str:
    url = postgres.create()
    with connected(url, "t") as connection:
        connection.execute("CREATE TABLE people (id int PRIMARY KEY, name text)")
        connection.execute("INSERT INTO people SELECT i, 'Ana ' || i FROM generate_series(1, 50) i")
    return url


@pytest.fixture(params=["custom", "plain"])
def dump(production: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    file = tmp_path / f"shop.{request.param}"
    address = production.replace("+psycopg", "")
    command = [str(program("pg_dump")), f"--format={request.param}", f"--file={file}", f"--dbname={address}"]
    subprocess.run(command, check=True, timeout=60)
    return file


def people(url: str) -> list[tuple[object, ...]]:
    with connected(url, "t") as connection:
        return connection.execute("SELECT count(*), max(name) FROM people").fetchall()


def test_a_dump_is_restored_in_either_format(postgres: Postgres, dump: Path, tmp_path: Path) -> None:
    url = postgres.create()
    restore(url, Given(dump, anonymised=True), tmp_path)
    assert people(url) == [(50, "Ana 9")]


def test_a_scrub_script_takes_everybody_out_and_is_recorded(postgres: Postgres, dump: Path, tmp_path: Path) -> None:
    url, scrub = postgres.create(), tmp_path / "scrub.sql"
    scrub.write_text("UPDATE people SET name = 'nobody';")
    given = Given(dump, scrub=scrub)
    told = described(given, LATER)
    restore(url, given, tmp_path)
    assert people(url) == [(50, "nobody")]
    assert told.anonymised.startswith("scrubbed by scrub.sql (sha256:")
    assert (told.file, told.digest[:7]) == (dump.name, "sha256:")


def test_production_data_is_refused_when_nobody_says_that_it_is_anonymised(dump: Path) -> None:
    with pytest.raises(DumpNotAnonymisedError, match="production data is never rehearsed on"):
        described(Given(dump), LATER)


def test_its_age_is_recorded_and_an_old_one_refused(dump: Path) -> None:
    given = Given(dump, anonymised=True, max_age=3600)
    now = datetime.now(UTC)
    assert abs(datetime.fromisoformat(described(given, now).taken) - now) < timedelta(minutes=5)
    with pytest.raises(DumpTooOldError, match="more than 1h ago"):
        described(given, now + timedelta(hours=2))
    assert described(replace(given, max_age=0), now + timedelta(days=900)).file == dump.name


def test_of_plain_sql_the_age_is_that_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "shop.sql"
    file.write_text("SELECT 1;")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    assert described(Given(file, anonymised=True), LATER).taken == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("content", [b"PGDMP and no more", b"SELEC 1;"])
def test_what_is_no_dump_or_not_all_of_one_says_so(postgres: Postgres, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken"
    file.write_bytes(content)
    with pytest.raises((DumpNotReadableError, RestoreFailedError), match="broken"):
        _bring(Given(file, anonymised=True), postgres.create(), tmp_path)


def _bring(given: Given, url: str, home: Path) -> None:
    described(given, LATER)
    restore(url, given, home)


def test_a_scrub_script_that_fails_leaves_nobody_to_rehearse_on(postgres: Postgres, dump: Path, tmp_path: Path) -> None:
    scrub = tmp_path / "scrub.sql"
    scrub.write_text("UPDATE peopel SET name = 'nobody';")
    with pytest.raises(RestoreFailedError, match=r"scrub\.sql could not be brought into the copy:(.|\n)*peopel"):
        restore(postgres.create(), Given(dump, scrub=scrub), tmp_path)


@pytest.mark.parametrize("missing", ["dump", "scrub"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, missing: str) -> None:
    (tmp_path / "dump.sql").write_text("SELECT 1;")
    given = Given(tmp_path / "dump.sql", scrub=tmp_path / "scrub.sql")
    with pytest.raises(DumpNotReadableError, match=missing):
        described(replace(given, file=tmp_path / "dump") if missing == "dump" else given, LATER)


def test_the_password_stands_in_no_command_line() -> None:
    assert "hunter2" not in module._place("postgresql+psycopg://app:hunter2@db/shop")
    assert "host=db" in module._place("postgresql+psycopg://app:hunter2@db/shop")


def test_of_several_programs_the_newest_is_taken_and_none_at_all_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert module._version(program("pg_restore")) >= (18,), "the wheel's, whatever the machine has"
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(module, "_PLACES", ())
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ProgramMissingError, match="PostgreSQL's psql"):
        program("psql")
