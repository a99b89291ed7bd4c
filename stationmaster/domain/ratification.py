"""Which rules are in force: those that were ratified last. A file that says something else is a proposal, and needs the
approvals of what is in force. Pure; the entries are given.

Rules lie where a pull request can change them. So nothing that a file says gives anybody a right before those who have
it now agree; what it takes away counts at once.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from stationmaster.domain.approvers import RATIFIED, Approvers, Instant, Key, Person, Service
from stationmaster.domain.entries import canonical, digest
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.hotfix import Hotfix
from stationmaster.domain.policy import NO_ACT_YET, Policy, Rules
from stationmaster.domain.product import HardLimit, Product
from stationmaster.domain.retention import Retention
from stationmaster.domain.scans import Scans


class RatifiedErasedError(RefusedError):
    """Who the approvers in force are was erased from the ledger, and the file says something else."""

    code = "ratified_erased"


def subject(product: str, what: str) -> str:
    """What an entry `ratified` is about: `orderdesk/policy`, `orderdesk/approvers`."""
    return f"{product}/{what}"


def policy_content(product: Product) -> dict[str, Any]:
    """What of `stationmaster.yaml` is policy: approvals, hotfixes, the limits by which a release goes back, scans,
    tickets and how long evidence is kept, to which a release is held as they are in force; the build and its checks,
    which are its own, and signed.
    """
    content = product.model_dump(mode="json", include=_POLICY)
    if content["approvals"]["contract"] is None:  # else every policy from before there was one would be another
        del content["approvals"]["contract"]
    return content


_POLICY = {"approvals", "hotfix", "hard_limits", "scans", "require_ticket", "retention", "build", "checks"}


class InForce(BaseModel):
    """What of the policy in force a release is held to, whatever its own commit says."""

    model_config = ConfigDict(frozen=True)

    approvals: Policy
    hotfix: Hotfix
    hard_limits: dict[Literal["availability"], HardLimit]
    scans: Scans
    require_ticket: bool
    retention: Retention | None = None  # an older one promised nothing

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "InForce":
        """As it was ratified. What it says of acts that nothing asks for was never in force."""
        said = {name: value for name, value in content["approvals"].items() if name not in NO_ACT_YET}
        rules = [
            {name: value for name, value in rule.items() if name != "environment"}
            for rule in said.get("rules", ())
            if rule["action"] not in NO_ACT_YET and rule.get("environment") != "stage"
        ]
        return cls.model_validate({**content, "approvals": {**said, "rules": rules}})

    @property
    def rules(self) -> Rules:
        """Who must agree to a release."""
        return Rules(self.approvals, self.hotfix.approvals)


def content_digest(content: Mapping[str, Any]) -> str:
    """The digest of what is ratified."""
    return digest(canonical(dict(content)))


def approvers_content(approvers: Approvers) -> dict[str, Any]:
    """What of `approvers.yaml` is ratified: all of it."""
    return approvers.model_dump(mode="json", by_alias=True)


def approvers_in_force(fact: Mapping[str, Any], personal: Mapping[str, Any] | None, file: Approvers) -> Approvers:
    """The approvers who count, when `fact` and `personal` are of the entry that ratified them last.

    Raises:
        RatifiedErasedError: the entry's personal data was erased, and the file is not what was ratified.
    """
    if content_digest(approvers_content(file)) == fact["digest"]:
        return file
    if personal is None:
        raise RatifiedErasedError(
            "who the approvers in force are was erased from the ledger, and approvers.yaml is not what was ratified",
            hint="put the ratified file back, then `stationmaster approvals ratify`",
        )
    return narrowed(approvers_in(personal), file)


def approvers_in(personal: Mapping[str, Any]) -> Approvers:
    """The approvers that an entry put in force, by its personal data: as they were, whatever files may say by now."""
    return Approvers.model_validate(personal["approvers"], context=RATIFIED)


def narrowed(ratified: Approvers, file: Approvers) -> Approvers:
    """The ratified people and services with what the file still leaves them: keys, roles, predicates, time."""
    people, services = {one.id: one for one in file.people}, {one.id: one for one in file.services}
    return ratified.model_copy(
        update={
            "people": tuple(_person(one, people.get(one.id)) for one in ratified.people),
            "services": tuple(_service(one, services.get(one.id)) for one in ratified.services),
            "logs": tuple(one for one in ratified.logs if one in file.logs),
        }
    )


def _person(ratified: Person, file: Person | None) -> Person:
    """Whoever the file leaves out stays known as an author, and may nothing else."""
    return ratified.model_copy(
        update={
            "roles": tuple(role for role in ratified.roles if file and role in file.roles),
            "keys": _keys(ratified.keys, file.keys if file else ()),
            "github": ratified.github if file and file.github == ratified.github else None,
            "gitlab": ratified.gitlab if file and file.gitlab == ratified.gitlab else None,
            "slack": ratified.slack if file and file.slack == ratified.slack else None,
            "from_": _later(ratified.from_, file.from_ if file else None),
            "until": _earlier(ratified.until, file.until if file else None),
        }
    )


def _service(ratified: Service, file: Service | None) -> Service:
    return ratified.model_copy(
        update={
            "predicates": tuple(one for one in ratified.predicates if file and one in file.predicates),
            "keys": _keys(ratified.keys, file.keys if file else ()),
        }
    )


def _keys(ratified: tuple[Key, ...], file: tuple[Key, ...]) -> tuple[Key, ...]:
    there = {key.ed25519: key for key in file}
    return tuple(
        key.model_copy(
            update={
                "from_": _later(key.from_, there[key.ed25519].from_),
                "until": _earlier(key.until, there[key.ed25519].until),
            }
        )
        for key in ratified
        if key.ed25519 in there
    )


def _later(one: Instant | None, other: Instant | None) -> Instant | None:
    return max((at for at in (one, other) if at is not None), default=None)


def _earlier(one: Instant | None, other: Instant | None) -> Instant | None:
    return min((at for at in (one, other) if at is not None), default=None)
