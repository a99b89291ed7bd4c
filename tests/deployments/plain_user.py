"""What a person without any rights does with a stack: `python plain_user.py`, run by test_plain_user.py as somebody
else. Prints one JSON object: the owner of each process, and what the front door answers.
"""

import json
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from stationmaster.blocks.supervisor import Supervisor
from stationmaster.deployments import postgres
from stationmaster.deployments.detach import start_supervisor
from stationmaster.deployments.sandbox import proxy


def main() -> None:
    run = Path(tempfile.mkdtemp(dir="/tmp", prefix="stm-"))
    (run / "logs").mkdir()
    supervisor = start_supervisor(run)
    try:
        supervisor.ensure(postgres.prepare(run))
        postgres.wait_ready(run)
        postgres.create_database(run, "orders")
        supervisor.ensure(proxy.prepare(run, ["cloud"]))
        supervisor.route({"acme": "cloud_a"})
        owners = {name: Path(f"/proc/{unit.pid}").stat().st_uid for name, unit in supervisor.units().items()}
        print(json.dumps({"me": os.getuid(), "owners": owners, "answers": _ask(supervisor)}))  # noqa: T201 - the answer
    finally:
        supervisor.shutdown()
        shutil.rmtree(run)


def _ask(supervisor: Supervisor) -> int:
    """The status of one request of a tenant, of whom the proxy knows and behind whom nobody is."""
    request = urllib.request.Request(f"http://127.0.0.1:{supervisor.ping().front_port}/", headers={"X-Tenant": "acme"})
    for _ in range(100):
        try:
            urllib.request.urlopen(request, timeout=2)  # noqa: S310 - our own address
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the front door does not answer")


if __name__ == "__main__":
    main()
