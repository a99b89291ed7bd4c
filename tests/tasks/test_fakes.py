"""The fakes do what the real ones do, as far as the same suites can tell. Those of the source and the database are
held to theirs in `tests/blocks/`.
"""

import hashlib
import json
from pathlib import Path

import pytest

from tests.blocks.chat_conformance import ChatConformance, Subject
from tests.blocks.target_conformance import TargetConformance
from tests.blocks.target_conformance import World as TargetWorld
from tests.fake_target import FakeTarget
from tests.fakes import FakeChat


class TestFakeTarget(TargetConformance):
    @pytest.fixture
    def world(self, tmp_path: Path) -> TargetWorld:
        def artifact(version: str, kind: str = "good") -> tuple[str, str]:
            path = tmp_path / f"{version}-{kind}"
            path.write_text(json.dumps({"version": version, "kind": kind}))
            return str(path), f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"

        return TargetWorld(FakeTarget(), artifact, ("shop",))


class TestFakeChat(ChatConformance):
    @pytest.fixture
    def chat(self) -> Subject:
        fake = FakeChat()
        return Subject(fake, fake)
