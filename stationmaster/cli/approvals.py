"""`approvals`: what a release still needs from whom, by which rules, and how these rules change."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from cyclopts import App

from stationmaster.blocks.migration_estimates import outlook_on
from stationmaster.blocks.ratification import (
    approvers_of,
    must_be_possible,
    proposal,
    put_approvers_in_force,
    put_signature,
    ratified,
    rules_in_force,
)
from stationmaster.blocks.signer import load_person_key, sign_with
from stationmaster.cli import lookup
from stationmaster.cli.approve import desk_for, record
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, table
from stationmaster.cli.person import now, whoami
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.approval_statement import Said
from stationmaster.domain.duration import spelt
from stationmaster.domain.errors import Exit
from stationmaster.domain.policy import Action
from stationmaster.domain.ratification import approvers_content, content_digest

if TYPE_CHECKING:
    from stationmaster.blocks.ratification import Proposal
    from stationmaster.ledger.store import Ledger

app = App(name="approvals", help="Who must agree to what, what was given, and the rules themselves.")
app.command(
    "stationmaster.cli.reviewing:review", name="review", help="Sign what you found of an emergency of somebody else."
)


@app.command
def status(release: str, *, product: str | None = None, json: Flag = False) -> int:
    """What a release needs and what it has: the mandate, the quorum, who counts and who does not by which rule.

    Of one that is over, as the rules and keys are now. Exit code 0: enough approved. 4: approvals are missing.

    Parameters
    ----------
    release
        Its name.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    product = product or only_product()
    with open_ledger(product) as ledger:
        desk = desk_for(ledger, product)
        lookup.find(ledger, release)
        question, decision = desk.question(release), desk.weigh(release, now())
        schema = outlook_on(ledger, release, question.act)
    found = {**record(question, decision), **({"schema": schema} if schema else {})}
    answer(found, as_json=json, text=_status(release, found))
    return Exit.YES if decision.satisfied else Exit.WAITING


@app.command
def policy(*, product: str | None = None, json: Flag = False) -> int:
    """The rules in force, since when, and what the files say that is not in force yet.

    A policy in stationmaster.yaml comes into force with the first release that carries it and is approved under the one
    before; approvers.yaml by `approvals ratify`. What a file takes away counts at once.

    Parameters
    ----------
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    product = product or only_product()
    with open_ledger(product) as ledger:
        found = _rules(ledger, product)
    answer(found, as_json=json, text=_policy(found))
    return Exit.YES


@app.command
def ratify(*, key: Path, product: str | None = None, json: Flag = False) -> int:
    """Sign approvers.yaml as it lies there. It is in force when the rule for `policy` is met by those it names now.

    Exit code 0: it is in force. 4: your signature counts and more are needed. 1: it does not count.

    Parameters
    ----------
    key
        Your private ed25519 key, PKCS#8 or OpenSSH. A passphrase is read from STATIONMASTER_KEY_PASSPHRASE.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    product = product or only_product()
    private = load_person_key(key, os.environ.get("STATIONMASTER_KEY_PASSPHRASE"))
    with open_ledger(product) as ledger:
        asked = _proposed(ledger, product)
        must_be_possible(rules_in_force(ledger, product), asked.approvers, now())
        question = asked.question
        said = Said(release=question.release, mandate=question.mandate)
        entry = put_signature(ledger, product, sign_with(private, said.statement(question.digest)), whoami(), now())
        decided = _proposed(ledger, product).decision
        if decided.satisfied:
            put_approvers_in_force(ledger, product, asked.approvers, "signatures", now())
    mine = next((one for one in decided.refused if one.entry == entry.index), None)
    found = {"product": product, "digest": question.digest, "counts": mine is None, **record(question, decided)}
    answer(found, as_json=json, text=_ratified(found, mine.message if mine else ""))
    return Exit.YES if decided.satisfied else Exit.WAITING if mine is None else Exit.NO


def _proposed(ledger: "Ledger", product: str) -> "Proposal":
    return proposal(ledger, recall("signer", product), product, now())


def _rules(ledger: "Ledger", name: str) -> dict[str, Any]:
    entries = {what: ratified(ledger, name, what) for what in ("policy", "approvers")}
    signer, rules = recall("signer", name), rules_in_force(ledger, name)
    file = content_digest(approvers_content(signer.people()))
    approvers = entries["approvers"]
    return {
        "product": name,
        "policy": rules.policy.model_dump(mode="json", exclude_none=True),
        "hotfix": dict(rules.hotfix) if rules.hotfix else None,
        "in_force": {what: one and {"digest": one.fact["digest"], "since": one.at, "by": one.fact["by"]}
                     for what, one in entries.items()},
        "approvers_differ": approvers is not None and approvers.fact["digest"] != file,
        "people": {one.id: list(one.roles) for one in approvers_of(ledger, signer, name).people if one.roles},
    }  # fmt: skip


def _status(release: str, found: dict[str, Any]) -> str:
    lacks = [*(f"{n} more {role}" for role, n in found["missing"].items()), *found["lacking"]]
    rows = [(one["who"], one["role"], one["at"], one["assurance"]) for one in found["given"]]
    return "\n".join(
        [
            f"{release}: {'approved' if found['satisfied'] else 'needs ' + ', '.join(lacks)}",
            f"mandate {found['mandate']}",
            *found.get("schema", ()),
            *([table(("who", "role", "at", "assurance"), rows)] if rows else ["nobody approved yet"]),
            *(f"refused: {one['message']} ({one['rule']})" for one in found["refused"]),
        ]
    )


def _policy(found: dict[str, Any]) -> str:
    since = [(what, one["digest"][:19] + "…", one["since"], one["by"]) if one else (what, "-", "-", "nothing yet")
             for what, one in found["in_force"].items()]  # fmt: skip
    return "\n".join(
        [
            table(("action", "quorum"), list(_quorums(found))),
            "",
            *_conditions(found["policy"]),
            "",
            table(("in force", "digest", "since", "by"), since),
            "",
            table(("who", "roles"), [(who, ", ".join(roles)) for who, roles in found["people"].items()]),
            *(["", "approvers.yaml says something else: `stationmaster approvals ratify --key FILE`"]
              if found["approvers_differ"] else []),
        ]
    )  # fmt: skip


def _quorums(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every key and rule by itself, as it is written, and what stands where nothing is."""
    said = found["policy"]
    yield from ((action, _people(said[action])) for action in get_args(Action) if action in said)
    ruled = {rule["action"] for rule in said["rules"] if rule.get("kind") in {None, "hotfix"}}
    yield from ((action, what) for action, what in _UNSAID.items() if action not in {*said, *(ruled & {"waiver"})})
    if found["hotfix"]:
        yield "deploy of a hotfix, instead", _people(found["hotfix"])
    for rule in said["rules"]:
        of = f" of a {rule['kind']} release" if "kind" in rule else ""
        yield f"{rule['action']}{of}, beside", _people(rule["quorum"])


_UNSAID = {"waiver": "2 of those who may approve the deploy", "policy": "as deploy"}


def _people(quorum: dict[str, int]) -> str:
    return ", ".join(f"{count} {role}" for role, count in quorum.items())


def _conditions(said: dict[str, Any]) -> list[str]:
    alone = said.get("emergency")
    return [
        f"release signer: {said['release_signer'].replace('_', ' ')}",
        f"assurance: {said['assurance']} is the least that counts",
        f"valid for: {spelt(said['valid_for'])} after the planned end",
        f"emergency: {alone['role']} may go ahead alone, reviewed within {spelt(alone['review_within'])}"
        if alone
        else "emergency: nobody may go ahead alone",
    ]


def _ratified(found: dict[str, Any], refused: str) -> str:
    if found["satisfied"]:
        return f"approvers.yaml is in force for {found['product']}: {found['digest'][:19]}…"
    lacks = ", ".join(f"{n} more {role}" for role, n in found["missing"].items())
    return f"refused: {refused}" if refused else f"signed; it needs {lacks}"
