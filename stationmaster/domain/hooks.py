"""The receiver's file: where its inbox is, and for each hook whose deliveries it takes and how they are signed.

Pure values. Reading the file is `domain/documents.py`; secrets that lie elsewhere are fetched by `blocks/hooks.py`.
"""

import re
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from stationmaster.domain.product import Part
from stationmaster.domain.signatures import standard_key
from stationmaster.domain.tenants import Id

Host = Literal["github", "gitlab"]
_NAME = r"[a-z0-9][a-z0-9-]{0,62}"


def _text(value: object) -> object:
    """Pydantic's own words would repeat what was written here."""
    if isinstance(value, str | SecretStr):
        return value
    raise ValueError("must be text; write quotes around it")


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value, re.ASCII):
        raise ValueError("a hook's name has lower case, digits and hyphens")
    return value


Name = Annotated[str, AfterValidator(_name)]  # not a pattern: JSON Schema would hide the keys behind it
Secret = Annotated[SecretStr, BeforeValidator(_text, json_schema_input_type=str), Field(min_length=1)]


class Hook(Part):
    """One path, POST /hooks/NAME, and what a delivery there means."""

    host: Host = Field(description="Whose deliveries come here: github or gitlab.")
    product: Id = Field(description="The product whose changes they are; mirrors of one product name the same.")
    secret: Secret | None = Field(default=None, description="The secret shared with the host.")
    secret_env: str | None = Field(
        default=None, pattern="^[A-Za-z_][A-Za-z0-9_]*$", description="The environment variable that holds the secret."
    )
    secret_block: str | None = Field(
        default=None, min_length=1, description="The name of Prefect's Secret block that holds the secret."
    )
    base: tuple[str, ...] = Field(
        default=("main",),
        min_length=1,
        description="Branches into which a merge counts; * stands for anything.",
        examples=[["main", "hotfix/*"]],
    )

    @model_validator(mode="after")
    def _one_secret(self) -> "Hook":
        given = {"secret": self.secret, "secret_env": self.secret_env, "secret_block": self.secret_block}
        named = [name for name, value in given.items() if value is not None]
        if len(named) != 1:
            found = f"here are {' and '.join(named)}" if named else "here is none"
            raise ValueError(f"one of secret, secret_env and secret_block is needed; {found}")
        if self.secret is not None:
            check_secret(self.host, self.secret)
        return self

    def watches(self, branch: str) -> bool:
        """Whether a merge into the branch counts."""
        return any(fnmatchcase(branch, pattern) for pattern in self.base)


class Receiver(Part):
    """The whole of the receiver's file."""

    inbox: Secret = Field(
        description="SQLAlchemy URL of the inbox; it may be the ledger's own.",
        examples=["sqlite:////var/lib/stationmaster/ledger.db"],
    )
    hooks: dict[Name, Hook] = Field(min_length=1, description="Hook name, as in its path, to what comes there.")


def check_secret(host: Host, secret: SecretStr) -> None:
    """Refuse a secret that can verify nothing.

    Raises:
        ValueError: it is empty, no text of whole characters, or starts as a Standard Webhooks key and is none. The
            message does not repeat it.
    """
    value = secret.get_secret_value()
    if not value:
        raise ValueError("the secret is empty")
    try:
        value.encode()
    except UnicodeEncodeError:  # its own message would repeat the secret
        raise ValueError("the secret has characters that cannot be written in UTF-8") from None
    if host == "gitlab":
        standard_key(value)
