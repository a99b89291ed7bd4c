"""What the log costs, as ratios of one run: the figures that `python -m benchmarks log` writes, at a smaller size."""

from benchmarks import log as benchmark


def test_a_tree_costs_hashing_and_a_proof_its_own_length() -> None:
    """Ten times more entries: growing costs ten times more, and a proof one and a third; both with room for a busy
    machine. A tree that was made anew for each proof would be at ten.
    """
    found = benchmark.main((1_000, 10_000))
    assert found["grow_vs_bare_hashing_at_10000"] < 12
    assert found["grow_s_at_10000_vs_1000"] < 40
    for name in ("root", "prove_inclusion", "verify_inclusion", "prove_consistency", "verify_consistency"):
        assert found[f"{name}_ms_at_10000_vs_1000"] < 4, name
    assert found["audit_s_at_10000_vs_1000"] < 40
