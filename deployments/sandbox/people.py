"""The people of a sandbox: keys and `approvers.yaml`, made for every run directory and for the product's approvals.

These are demo keys. Whoever can read the run directory can approve releases of the sandbox; nothing else trusts them.
"""

import base64
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jinja2 import Environment, PackageLoader, StrictUndefined

from stationmaster.blocks.checkpoints import origin
from stationmaster.blocks.ratification import proposal, put_approvers_in_force, put_signature, ratified
from stationmaster.blocks.signer import load_person_key, sign_with
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.approval_statement import Said
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.documents import read
from stationmaster.domain.dsse import strict_base64
from stationmaster.domain.errors import InputError
from stationmaster.domain.product import Product
from stationmaster.domain.ratification import approvers_content, content_digest
from stationmaster.domain.signed_note import Key as Note

STARTER, SERVICE = "ana", "stationmaster"
APPROVERS = ("rosa", "ben", "mei", "tomas", "leila")
_NAMES = {
    "rosa": "Rosa Keller", "ben": "Ben Okafor", "mei": "Mei Tanaka", "tomas": "Tomas Novak", "leila": "Leila Haddad",
    "ana": "Ana Lindqvist",
}  # fmt: skip
_SERVICES = (SERVICE, "webhook", "release-train")
_FEWEST = 2  # approvers, so that the tutorial's second one exists where one is enough


class TooManyApproversError(InputError):
    """The product asks for more approvers than the sandbox has people."""

    code = "too_many_approvers"


@dataclass(frozen=True)
class Cast:
    """Where the file of the people lies, and each one's private key (the service's too), all 0600."""

    approvers: Path
    keys: dict[str, Path]


def make_people(folder: Path, product: Product, authors: Iterable[tuple[str, str]] = ()) -> Cast:
    """Keys and `approvers.yaml` in `folder`: as many approvers as the product asks for, each with every role it names,
    and `authors`, names with addresses, as people who may nothing: whoever wrote a change is known, so that it can be
    told who did not. Keys that are there already are kept; the file is written anew when it would say something else.

    Raises:
        TooManyApproversError: the sandbox has not so many people.
    """
    approvers = _approvers(product)
    keys = folder / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    cast = Cast(folder / "approvers.yaml", {name: keys / f"{name}.pem" for name in (*approvers, STARTER, SERVICE)})
    public = {name: _public(path) for name, path in cast.keys.items()}
    text = _text(product, approvers, public, _others(product, approvers, authors), _roles_in(cast.approvers))
    if not cast.approvers.exists() or cast.approvers.read_text("utf-8") != text:
        _write(cast.approvers, text.encode())
    return cast


def ratify(cast: Cast, tools: Toolbox, product: Product) -> None:
    """Put the file in force where the ledger has another, signed by those whom that names: a sandbox has all keys."""
    name, now = product.product, tools.now()
    known = ratified(tools.ledger, name, "approvers")
    if known is None or known.fact["digest"] == content_digest(approvers_content(tools.signer.people())):
        return
    asked = proposal(tools.ledger, tools.signer, name, now)
    said = Said(release=asked.question.release, mandate=asked.question.mandate).statement(asked.question.digest)
    for who, path in cast.keys.items():
        if who in APPROVERS:
            put_signature(tools.ledger, name, sign_with(load_person_key(path), said), who, now)
    if proposal(tools.ledger, tools.signer, name, now).decision.satisfied:
        put_approvers_in_force(tools.ledger, name, asked.approvers, "signatures", now)


def must_have_approvers(product: Product) -> None:
    """Raises TooManyApproversError."""
    _approvers(product)


def _others(
    product: Product, approvers: tuple[str, ...], authors: Iterable[tuple[str, str]]
) -> dict[str, tuple[str, str]]:
    """Ids of authors whom the file does not name yet, each to name and address."""
    ours = {f"{one}@{_domain(product)}" for one in (*approvers, STARTER)}
    taken, found = {*approvers, STARTER, *_SERVICES}, dict[str, tuple[str, str]]()
    for name, address in authors:
        if address.lower() in ours:
            continue
        mailbox = re.sub(r"[^a-z0-9]+", "-", address.partition("@")[0].lower()).strip("-")[:50] or "author"
        free = next(one for one in (mailbox, *(f"{mailbox}-{n}" for n in range(2, 10_000))) if one not in taken)
        taken.add(free)
        found[free] = (name, address)
    return found


def _log(product: str, key: str) -> dict[str, str]:
    """What verifies the checkpoints that the sandbox's service signs."""
    return {"origin": origin(product), "vkey": Note(origin(product), strict_base64(key)).vkey()}


def _domain(product: Product) -> str:
    return f"{product.product}.example"


def _text(
    product: Product, approvers: tuple[str, ...], keys: dict[str, str], others: dict[str, tuple[str, str]],
    before: set[str],
) -> str:  # fmt: skip
    templates = Environment(
        loader=PackageLoader("stationmaster.deployments", "sandbox"), undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - YAML, and every word in it is ours or a name that the product's file checked
        trim_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return templates.get_template("approvers.yaml.j2").render(
        employer=product.product.replace("-", " ").title(), domain=_domain(product), names=_NAMES,
        approvers=approvers, roles=sorted({*_roles(product), *before}), keys=keys,
        log=_log(product.product, keys[SERVICE]),
        others={one: [json.dumps(word, ensure_ascii=False) for word in who] for one, who in others.items()},
    )  # fmt: skip


def _roles(product: Product) -> set[str]:
    """Whatever some rule of the product asks for."""
    return {*product.approvals.roles(), *(product.hotfix.approvals or ())}


def _roles_in(file: Path) -> set[str]:
    """The roles that the file gives already: while a policy in force asks for them, they must be held."""
    if not file.exists():
        return set()
    return {role for one in read(Approvers, file.read_text("utf-8"), str(file)).value.people for role in one.roles}


def _approvers(product: Product) -> tuple[str, ...]:
    """Nobody counts for two roles, so each role needs people of its own."""
    wanted = max(sum(product.rules.quorum(kind).values()) for kind in ("manual", "hotfix"))
    if wanted > len(APPROVERS):
        raise TooManyApproversError(
            f"approvals ask for {wanted} people, and a sandbox has {len(APPROVERS)}", file="stationmaster.yaml",
            hint=f"ask for {len(APPROVERS)} at most on the branch that you try",
        )  # fmt: skip
    return APPROVERS[: max(wanted, _FEWEST)]


def _public(path: Path) -> str:
    """The public half of the key at `path`, made unless it is there."""
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        _write(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = load_pem_private_key(path.read_bytes(), password=None)
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others: approvers.yaml is written last and says that keys exist."""
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)
