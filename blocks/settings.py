"""The ledger's address and the product's own secrets, as blocks hold them."""

from pydantic import BaseModel, Field, SecretStr

from stationmaster.ledger.store import Ledger


class LedgerDatabase(BaseModel):
    """The database that holds the ledger: SQLite for one machine, PostgreSQL for a team."""

    url: SecretStr = Field(
        description="SQLAlchemy URL.", examples=["sqlite:////var/lib/stationmaster/ledger.db", "postgresql+psycopg://…"]
    )

    def open(self) -> Ledger:
        """The ledger, migrated to its newest schema."""
        return Ledger.open(self.url.get_secret_value())


class ProductSecrets(BaseModel):
    """What the product's instances and journeys need and nobody else may see."""

    environment: dict[str, SecretStr] = Field(
        default_factory=dict, description="Environment of every instance, beside DATABASE_URL."
    )
    journeys: dict[str, SecretStr] = Field(default_factory=dict, description="Values of {secret:NAME} in journeys.")

    def revealed(self) -> dict[str, str]:
        """The environment in the clear, for the process that needs it."""
        return {name: value.get_secret_value() for name, value in self.environment.items()}
