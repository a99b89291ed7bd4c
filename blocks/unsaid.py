"""What a process did and died before it said so: tenants that are on a release already are put on record, so that they
are led back, or watched, with the others. It moves nobody.
"""

from typing import Any

from stationmaster.blocks.carried import product_at
from stationmaster.blocks.homes import homes_of
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.homes import Homes, own
from stationmaster.domain.tenants import STAGE


def put_on_record(tools: Toolbox, release: str, *, led: bool = False) -> list[str]:
    """The tenants that are routed to the release's artifact, and that the ledger had elsewhere until now. No lease is
    needed: the entry is the one that whoever moved them would have made, but that it was found, and when they were
    moved is not known. `led` counts those too whom the rollback of another release led to it: they have it, and must
    not be forgotten when it goes.

    Raises:
        OutsideError: the target is away; nothing is known.
    """
    said = {entry.step: entry.fact for entry in tools.ledger.entries(release)}
    if "briefed" not in said or "restored" in said:
        return []  # nobody is moved before the one, nor after the other
    digest, running = said["built"]["digest"], tools.ledger.running()
    there = {one for one, e in running.items() if e.fact["digest"] == digest and not (led and _was_led(e, release))}
    routes = {tenant: place for tenant, place in tools.target.routes().items() if place[0] != STAGE}
    places = {tenant: place for tenant, place in routes.items() if tenant not in there}
    serve = _serve(tools, said["cut"]["commit"], digest, {instance for instance, _ in places.values()})
    found = sorted(tenant for tenant, place in places.items() if place in serve)
    homes = homes_of(tools, product_at(tools.source, said["cut"]["commit"])) if found else Homes()
    for tenant in found:
        home = own(homes.of(tenant, places[tenant][0]), places[tenant][0])
        tools.ledger.append(_deployed(release, said, tenant, places[tenant], home), tools.now())
    return found


def _was_led(entry: Entry, release: str) -> bool:
    return entry.step == "rolled_back" and entry.release != release


def _serve(tools: Toolbox, commit: str, digest: str, instances: set[str]) -> set[tuple[str, str]]:
    """Where the artifact runs, as its processes say."""
    if not instances:
        return set()
    product = product_at(tools.source, commit)
    answers = tools.target.running(product.service.version, of=instances)
    return {(one.instance, one.colour) for one in answers if one.digest == digest}


def _deployed(
    release: str, said: dict[str, dict[str, Any]], tenant: str, place: tuple[str, str], home: dict[str, str]
) -> Draft:
    digest, cut = said["built"]["digest"], said["cut"]
    artifact = {"version": cut["version"], "digest": digest, "commit": cut["commit"]}
    return Draft(
        release=release, step="deployed", subject=tenant, inputs={"digest": digest, "colour": place[1]},
        fact={**artifact, "instance": place[0], "colour": place[1], **home, "found": True},
    )  # fmt: skip
