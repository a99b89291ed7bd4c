"""What is asked of the approvers of one release: the value that every approval is held against, live and offline."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from stationmaster.domain.duration import instant
from stationmaster.domain.policy import Assurance


@dataclass(frozen=True)
class Question:
    """Of a release: the artifact's digest and the mandate's, the quorum, and who may not be counted.

    `changes` maps each change aboard, by commit, to the ids of the people who wrote it; `unresolved` are authors, as
    git calls them, who are nobody in approvers.yaml. `starter` is the id of the person or service that wants the
    release, `aloof` whether one signer must have written nothing of it, `emergency` the role that may go ahead alone,
    `earlier` the mandates that were asked for before. From `ends` on the mandate is over. `act` is what is asked for:
    that the release reaches its tenants, or, after it, its contract.
    """

    release: str
    digest: str
    mandate: str
    ends: datetime
    required: Mapping[str, int]
    starter: str
    changes: Mapping[str, frozenset[str]]
    unresolved: tuple[str, ...] = ()
    earlier: frozenset[str] = frozenset()
    assurance: Assurance = "attested_by_channel"
    aloof: bool = True
    emergency: str | None = None
    act: Literal["deploy", "contract"] = "deploy"

    @property
    def authors(self) -> frozenset[str]:
        """Everybody who wrote something of it."""
        return frozenset(one for authors in self.changes.values() for one in authors)

    def fact(self) -> dict[str, Any]:
        """What the ledger keeps for ever; it names nobody."""
        return {
            "artifact": self.digest, "digest": self.mandate, "ends": instant(self.ends),
            "required": dict(self.required), "earlier": sorted(self.earlier), "assurance": self.assurance,
            "aloof": self.aloof, "emergency": self.emergency, **({} if self.act == "deploy" else {"act": self.act}),
        }  # fmt: skip

    def personal(self) -> dict[str, Any]:
        """What names people, and may be erased."""
        changes = {commit: sorted(authors) for commit, authors in self.changes.items()}
        return {"starter": self.starter, "changes": changes, "unresolved": list(self.unresolved)}

    @classmethod
    def read(cls, release: str, fact: Mapping[str, Any], personal: Mapping[str, Any]) -> "Question":
        """As it was recorded."""
        return cls(
            release=release, digest=fact["artifact"], mandate=fact["digest"],
            ends=datetime.fromisoformat(fact["ends"]), required=fact["required"], starter=personal["starter"],
            changes={commit: frozenset(authors) for commit, authors in personal["changes"].items()},
            unresolved=tuple(personal["unresolved"]), earlier=frozenset(fact["earlier"]),
            assurance=fact["assurance"], aloof=fact["aloof"], emergency=fact["emergency"],
            act=fact.get("act", "deploy"),
        )  # fmt: skip
