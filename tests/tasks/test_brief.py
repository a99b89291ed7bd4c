"""The fragment gate, and the one message to support."""

import pytest

from stationmaster.domain.documents import DocumentError
from stationmaster.domain.fragments import FragmentMissingError
from stationmaster.tasks.brief import require_fragment
from stationmaster.tasks.cut import cut
from tests.world import World


def test_a_release_of_which_nobody_wrote_what_it_changes_is_refused(world: World) -> None:
    commit = world.commit("v3")
    for path in ("changes/v2.md", "changes/v3.md"):
        del world.source.commits[commit][path]
    with world.leg("r3", "v3") as leg, pytest.raises(FragmentMissingError, match="changes/ has no new file") as refused:
        require_fragment.fn(leg, cut.fn(leg))
    assert refused.value.step == "require fragment"


def test_a_fragment_that_is_wrong_names_its_line(world: World) -> None:
    commit = world.commit("v3")
    world.source.commits[commit]["changes/v3.md"] = "---\nkind: aded\n---\nText.\n"
    with world.leg("r3", "v3") as leg, pytest.raises(DocumentError) as refused:
        require_fragment.fn(leg, cut.fn(leg))
    assert (refused.value.file, refused.value.line) == ("changes/v3.md", 2)
    assert refused.value.hint == "did you mean 'added'?"


def test_support_is_told_once_by_whom_it_was_approved(world: World) -> None:
    world.release()
    entry = world.last("briefed")
    assert entry.fact == {"channel": "releases", "ts": "1.0"}
    assert world.chat.texts() == ["Support brief: shop 2 goes to 3 tenants"]
    assert list(world.chat.messages) == [("r2/brief", None)]
