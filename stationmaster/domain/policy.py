"""`approvals:` of `stationmaster.yaml`: who must agree to what, as a quorum per role. It does not count anybody.

Several rules that fit ask for the union of their roles, and of each role for the most that one of them asks (the model
is Mozilla Balrog's required signoffs).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stationmaster.domain.duration import Seconds
from stationmaster.domain.tenants import Id

Action = Literal[
    "change",  # a merged pull request, by its reviews
    "deploy",  # a release reaches tenants
    "migrate",  # with it, a schema changes
    "flag",  # with it, flags change
    "waiver",  # a hotfix passes what is closed
    "policy",  # these rules, or who the approvers are
    "contract",  # after a release, what old code needs is taken away
]
BESIDE: tuple[Action, ...] = ("migrate", "flag", "policy")  # what a release may do that asks for more than its deploy
Kind = Literal["manual", "train", "hotfix"]
Assurance = Literal["signed", "attested_by_channel"]
Quorum = Annotated[dict[Id, Annotated[int, Field(ge=1)]], Field(min_length=1)]
_DAY = 86_400
# What nothing asks for yet: to state it would promise a gate that is not there.
NO_ACT_YET = {
    "restore": "nothing is killed and turned on again yet, so nothing would ask for this; take it out",
}
_ENVIRONMENT = "only production asks for approvals yet; take this out, and with it a rule that is for stage"


def _refused(given: Mapping[str, object], why: Mapping[str, str]) -> ValidationError:
    """Names of keys and why they are refused → an error at the line of each."""
    return ValidationError.from_exception_data(
        "approvals",
        [{"type": "value_error", "loc": (name,), "input": given[name], "ctx": {"error": ValueError(said)}}
         for name, said in why.items()],
    )  # fmt: skip


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ApprovalRule(_Part):
    """A quorum for what fits it: every key that is given must fit."""

    action: Action
    kind: Kind | None = Field(default=None, description="The kind of release; all when not given.")
    quorum: Quorum

    @model_validator(mode="before")
    @classmethod
    def _has_a_gate(cls, given: Any) -> Any:  # noqa: ANN401 - as pydantic hands it over
        if not isinstance(given, dict):
            return given
        why = {"environment": _ENVIRONMENT} if "environment" in given else {}
        if said := NO_ACT_YET.get(str(given.get("action"))):
            why["action"] = said
        if why:
            raise _refused(given, why)
        return given


class Emergency(_Part):
    """Who may go ahead alone, with a reason and a ticket, and what that owes."""

    role: Id = Field(description="Whoever has it, by name in approvers.yaml, may.", examples=["incident-commander"])
    review_within: Seconds = Field(
        default=2 * _DAY, description="By when somebody else has looked at it; overdue, it blocks the next train."
    )


class Policy(_Part):
    """Quorum per role for each action."""

    deploy: Quorum = Field(description="Before a release reaches production.", examples=[{"release-approver": 1}])
    change: Quorum | None = Field(
        default=None,
        description="For each merged pull request, by reviews on the code host.",
        examples=[{"reviewer": 1}],
    )
    migrate: Quorum | None = Field(default=None, description="Beside `deploy`, when the release changes a schema.")
    flag: Quorum | None = Field(default=None, description="Beside `deploy`, when the release changes the flag file.")
    waiver: Quorum | None = Field(
        default=None,
        description="Before a hotfix passes what is closed; any two who may approve its deploy when not given.",
    )
    policy: Quorum | None = Field(
        default=None, description="Before these rules or the approvers change; as `deploy` when not given."
    )
    contract: Quorum | None = Field(
        default=None,
        description="Before a contract takes away what old code needs; as `deploy` with `migrate` when not given.",
    )
    rules: tuple[ApprovalRule, ...] = Field(default=(), description="Further rules; whatever fits counts.")
    release_signer: Literal["must_not_be_author", "may_be_author"] = Field(
        default="must_not_be_author", description="Whether one signer of a release must have authored nothing in it."
    )
    assurance: Assurance = Field(
        default="attested_by_channel",
        description="The least that counts: attested_by_channel takes GitHub's and Slack's word for who it was.",
    )
    valid_for: Seconds = Field(
        default=14 * _DAY, description="How long after the planned end of its last wave a mandate may be carried out."
    )
    emergency: Emergency | None = Field(default=None, description="Nobody may go ahead alone when it is not given.")

    @model_validator(mode="before")
    @classmethod
    def _has_a_gate(cls, given: Any) -> Any:  # noqa: ANN401 - as pydantic hands it over
        if isinstance(given, dict) and (named := [name for name in NO_ACT_YET if name in given]):
            raise _refused(given, {name: NO_ACT_YET[name] for name in named})
        return given

    def quorum(
        self, action: Action, kind: str | None = None, *, instead: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """Quorum per role for an action; empty when no rule asks for anybody. What stands `instead` takes the place of
        the action's own key, and of no rule.
        """
        return union(self._fitting(action, kind, instead))

    def roles(self) -> frozenset[str]:
        """Every role that some rule names."""
        named = {role for action in get_args(Action) for asked in self._asked(action) for role in asked}
        return frozenset(named | ({self.emergency.role} if self.emergency else set()))

    def _fitting(
        self, action: Action, kind: str | None, instead: Mapping[str, int] | None
    ) -> Iterator[Mapping[str, int]]:
        own = instead or (self.deploy if action == "policy" and self.policy is None else getattr(self, action))
        if own is not None:
            yield own
        for rule in self.rules:
            if rule.action == action and rule.kind in {None, kind}:
                yield rule.quorum

    def _asked(self, action: Action) -> Iterator[dict[str, int]]:
        own = getattr(self, action)
        yield from ([own] if own else [])
        yield from (rule.quorum for rule in self.rules if rule.action == action)


def union(quorums: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """All roles of several quorums, and of each the most that one of them asks."""
    found: dict[str, int] = {}
    for asked in quorums:
        found |= {role: max(count, found.get(role, 0)) for role, count in asked.items()}
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class Rules:
    """A policy, and what a hotfix asks for instead of `approvals.deploy`; rules that fit a hotfix are joined to it."""

    policy: Policy
    hotfix: Mapping[str, int] | None = None

    def quorum(self, kind: str, *, migrates: bool = False, flags: bool = False, policy: bool = False) -> dict[str, int]:
        """Quorum per role for the deploy of a release of that kind. It `migrates` when it changes a schema, has `flags`
        when it changes those, and brings a `policy` when it puts another one in the place of that in force.
        """
        beside: dict[Action, bool] = {"migrate": migrates, "flag": flags, "policy": policy}
        return self._joined(kind, [action for action, does in beside.items() if does])

    def contract(self, kind: str) -> dict[str, int]:
        """Quorum per role for the contract of a release of that kind; never of nobody."""
        asked = self.policy.quorum("contract", kind)
        return asked if self.policy.contract is not None else union([asked, self._joined("manual", ["migrate"])])

    def every(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Each quorum that may be asked for, with what it is for; last of each kind, that of a release that changes
        everything.
        """
        for kind in get_args(Kind):
            for action in get_args(Action):
                asked = self._joined(kind, ()) if action == "deploy" else self.policy.quorum(action, kind)
                if asked:
                    yield action, asked
            if beside := [action for action in BESIDE if self.policy.quorum(action, kind)]:
                yield f"deploy with {', '.join(beside)}", self._joined(kind, beside)

    def _joined(self, kind: str, beside: Iterable[Action]) -> dict[str, int]:
        deploy = self.policy.quorum("deploy", kind, instead=self.hotfix if kind == "hotfix" else None)
        return union([deploy, *(self.policy.quorum(action, kind) for action in beside)])
