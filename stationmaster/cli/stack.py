"""`up` and `down`."""

from pathlib import Path
from typing import Any

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.deployments import stack
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.domain.errors import InputError


def up(
    folder: Path | None = None, *, env_file: Path | None = None, port: int | None = None, json: Flag = False
) -> None:
    """Start PostgreSQL, a Prefect server with its UI, a worker and a watchdog; leave them running until `down`.

    With a folder also the sandbox of the product in it: a proxy with an instance for stage, for the cloud and for each
    dedicated tenant, their databases, people with demo keys, and a page with the messages to support. Nothing of the
    product is installed; its first release does that.

    What runs already is left alone, so it is safe to repeat. Data of an earlier `up` is kept, and what ran beside it is
    started again: a sandbox comes back with its routes and instances.

    Parameters
    ----------
    folder
        The root of the product's git repository, with stationmaster.yaml and tenants.yaml, which is read in place.
    env_file
        NAME=VALUE a line: environment of every instance, and the values of {secret:NAME} in journeys. Kept until
        another is given.
    port
        Where the Prefect UI listens on 127.0.0.1. Prefect's own 4200, or any free one, unless given.
    json
        One object on standard output.
    """
    if folder is None:
        found, more, rows = _bare(env_file, port), dict[str, Any](), list[tuple[str, str | None]]()
    else:
        found, ref = _sandbox(folder, env_file, port)
        more = {name: getattr(found, name) for name in ("product", "front", "messages", "public_keys")}
        rows = [
            ("product", f"{found.front}   (a request's X-Tenant names the tenant)"),
            ("messages", found.messages),
            ("people, keys", f"{found.public_keys}   (demo keys, made for this sandbox)"),
            ("release it", f"stationmaster release start --ref {ref} --starter ana"),
        ]
    told = [
        ("Prefect UI", found.prefect_ui), ("sign in", f"{found.prefect_auth} (user:password)"), *rows,
        ("end it", "stationmaster down"),
    ]  # fmt: skip
    here = {name: getattr(found, name) for name in ("prefect_ui", "prefect_auth", "run", "receiver")}
    width = max(len(label) for label, _ in told) + 2
    answer(here | more, as_json=json, text="\n".join(f"{label:{width}}{text}" for label, text in told))


def _bare(env_file: Path | None, port: int | None) -> Descriptor:
    if env_file is not None:
        raise InputError("--env-file is of a product", hint="stationmaster up FOLDER --env-file FILE")
    found = stack.bring_up(say, port)
    if found.product and not found.front:
        say(f"the sandbox of {found.product} is not complete: `stationmaster up FOLDER`, or `demo`, begins it again")
    return found


def _sandbox(folder: Path, env_file: Path | None, port: int | None) -> tuple[Descriptor, str]:
    """The stack with the product's sandbox, and what its release is started with. What is wrong with the folder is
    said before anything starts.
    """
    from stationmaster.deployments.sandbox import databases, repository, world  # noqa: PLC0415 - --help needs nothing
    from stationmaster.deployments.sandbox.people import must_have_approvers  # noqa: PLC0415 - as above

    found = repository.read_repository(folder)
    must_have_approvers(found.product)
    databases.must_have_names(found)
    world.must_be_free(found.name, found.folder)
    given = repository.read_environment(env_file) if env_file else world.kept_environment(found.name)
    ready = found.given(given)
    return world.build_world(stack.bring_up(say, port), ready, say).descriptor, ready.ref


def down(*, delete: Flag = False, json: Flag = False) -> None:
    """End every process that `up` or `demo` started. Data stays for the next `up`, which brings all of it back.

    Parameters
    ----------
    delete
        Delete the data too: databases, ledger, artifacts, logs.
    json
        One object on standard output.
    """
    stack.take_down(say, delete=delete)
    answer({"down": True, "deleted": delete}, as_json=json, text="down")
