"""The receiver's file: where its inbox is, and for each hook whose deliveries it takes and how they are signed.

Pure values. Reading the file is `domain/documents.py`; secrets that lie elsewhere are fetched by `blocks/hooks.py`.
"""

import re
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

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


class Secretive(Part):
    """Something whose deliveries are signed with a secret, which is named in one of three ways."""

    secret: Secret | None = Field(default=None, description="The secret shared with the host.")
    secret_env: str | None = Field(
        default=None, pattern="^[A-Za-z_][A-Za-z0-9_]*$", description="The environment variable that holds the secret."
    )
    secret_block: str | None = Field(
        default=None, min_length=1, description="The name of Prefect's Secret block that holds the secret."
    )

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        given = {"secret": self.secret, "secret_env": self.secret_env, "secret_block": self.secret_block}
        named = [name for name, value in given.items() if value is not None]
        if len(named) != 1:
            found = f"here are {' and '.join(named)}" if named else "here is none"
            raise ValueError(f"one of secret, secret_env and secret_block is needed; {found}")
        if self.secret is not None:
            self.check(self.secret)
        return self

    def check(self, secret: SecretStr) -> None:
        """Refuse a secret that can verify nothing. Raises ValueError, as `check_secret`."""
        check_secret(secret)


class Hook(Secretive):
    """One path, POST /hooks/NAME, and what a delivery there means."""

    host: Host = Field(description="Whose deliveries come here: github or gitlab.")
    product: Id = Field(description="The product whose changes they are; mirrors of one product name the same.")
    base: tuple[str, ...] = Field(
        default=("main",),
        min_length=1,
        description="Branches into which a merge counts; * stands for anything.",
        examples=[["main", "hotfix/*"]],
    )
    environment: str | None = Field(
        default=None, min_length=1,
        description="GitHub: the environment whose deployment reviews approve releases; none do when it is not given.",
        examples=["production"],
    )  # fmt: skip

    @model_validator(mode="after")
    def _reviews_are_github_s(self) -> Self:
        if self.environment is not None and self.host != "github":
            raise ValueError("environment is for github: deployment reviews of other hosts are not understood")
        return self

    def check(self, secret: SecretStr) -> None:
        """As `Secretive.check`; at GitLab a key of Standard Webhooks must be one."""
        super().check(secret)
        if self.host == "gitlab":
            standard_key(secret.get_secret_value())

    def watches(self, branch: str) -> bool:
        """Whether a merge into the branch counts."""
        return any(fnmatchcase(branch, pattern) for pattern in self.base)


class SlackApp(Secretive):
    """One path, POST /slack/NAME, to which a Slack app sends what people press. Its secret is its signing secret."""

    product: Id = Field(description="The product whose releases are approved there.")


class Receiver(Part):
    """The whole of the receiver's file."""

    inbox: Secret = Field(
        description="SQLAlchemy URL of the inbox; it may be the ledger's own.",
        examples=["sqlite:////var/lib/stationmaster/ledger.db"],
    )
    hooks: dict[Name, Hook] = Field(min_length=1, description="Hook name, as in its path, to what comes there.")
    consents: tuple[Id, ...] = Field(
        default=(), description="Products whose tenants agree to releases here by signed links, GET and POST /consent/…"
    )
    slack: dict[Name, SlackApp] = Field(default_factory=dict, description="Name, as in its path, to a Slack app.")


def check_secret(secret: SecretStr) -> None:
    """Refuse a secret that can verify nothing.

    Raises:
        ValueError: it is empty, or no text of whole characters. The message does not repeat it.
    """
    value = secret.get_secret_value()
    if not value:
        raise ValueError("the secret is empty")
    try:
        value.encode()
    except UnicodeEncodeError:  # its own message would repeat the secret
        raise ValueError("the secret has characters that cannot be written in UTF-8") from None
