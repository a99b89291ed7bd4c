"""What the guest wrote, and what is made of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks import migration_running
from stationmaster.blocks.migration_running import Guest, ran, start


@pytest.mark.parametrize("password", ["from", "statements", "null", '"', "e1"])
def test_a_password_is_hidden_in_words_of_others_and_breaks_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    line = {
        "from": ["e1"], "to": ["e2"], "code": "failed", "message": f"no way to postgresql://app:{password}@db",
        "statements": [{"revision": "e1", "sql": f"ALTER ROLE a PASSWORD '{password}'", "lock": None}],
        "blocked_by": [{"query": f"SELECT '{password}'", "user": password, "application": f"x {password}"}],
    }  # fmt: skip
    guest = Guest(tmp_path, "heads", tmp_path, tmp_path)
    monkeypatch.setattr(migration_running, "run", lambda *_, **__: guest.out.write_text(json.dumps(line) + "\n"))
    quoted = password.replace('"', "%22")
    (found,) = start(guest, f"postgresql://app:{quoted}@db/shop")
    assert (found["from"], found["to"], found["code"]) == (["e1"], ["e2"], "failed")
    assert found["statements"] == [{"revision": "e1", "sql": "ALTER ROLE a PASSWORD '***'", "lock": None}]
    assert found["blocked_by"] == [{"query": "SELECT '***'", "user": "***", "application": "x ***"}]
    assert "***@db" in found["message"]


def test_heads_that_nobody_could_ask_for_are_none() -> None:
    line: dict[str, Any] = {"from": None, "to": None, "code": "failed", "message": "it is away"}
    assert (ran(line).before, ran(line).after, ran(line).failure) == ((), (), ("failed", "it is away"))
