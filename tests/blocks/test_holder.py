"""A holder is gone only when its process certainly is."""

import os
import signal
import subprocess
import sys

from stationmaster.blocks.holder import is_gone, this_process

SAY = "from stationmaster.blocks.holder import this_process; print(this_process('leg'), flush=True); input()"


def test_this_process_lives() -> None:
    assert not is_gone(this_process("leg"))


def test_a_killed_process_is_gone_also_before_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdin is not None
    name = child.stdout.readline().strip()
    assert not is_gone(name)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, not reaped
    assert is_gone(name)
    child.wait()
    assert is_gone(name)
    child.stdout.close()
    child.stdin.close()


def test_a_number_used_again_is_another_process() -> None:
    mine = this_process("leg")
    since = mine.split(" since ")[1].split(" ")[0]
    assert is_gone(mine.replace(f"since {since}", f"since {int(since) - 1}"))


def test_nothing_is_known_of_other_places_and_other_names() -> None:
    assert not is_gone("leg, pid 1 since 5 on elsewhere/12345678/1")
    assert not is_gone("a train")
    assert not is_gone("")
