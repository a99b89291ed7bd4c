"""What was rolled back is released again, mended: somebody lifted the hold and said why."""

import pytest

from tests.stories.sandbox import Sandbox

pytestmark = pytest.mark.slow
RELEASE = "mended"


def test_a_release_that_mends_what_went_back_is_released(sandbox: Sandbox) -> None:
    mend(sandbox)


def mend(sandbox: Sandbox) -> None:
    """Release 1.4.0; the chapter after this one begins with it."""
    before = len(sandbox.failures())
    assert sandbox.run("release", "start", RELEASE, "--ref", "v1.4.0", "--starter", "ana").code == 4
    assert sandbox.run("approve", RELEASE, "--key", sandbox.key("rosa")).code == 0
    done = sandbox.run("release", "start", RELEASE, "--json")
    assert (done.code, done.json["stage"]) == (0, "released"), done.err
    assert {sandbox.answers_of(tenant) for tenant in done.json["tenants"]} == {done.json["digest"]}
    assert len(sandbox.failures()) == before
