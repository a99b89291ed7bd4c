"""What the owner of a ledger's database can do to it, whatever protects it from others."""

from sqlalchemy import Engine, text

from stationmaster.ledger import tables


def unprotect(engine: Engine) -> None:
    """From now on entries can be changed and removed."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            for table in (tables.head, tables.entries, tables.payloads):
                connection.execute(text(f"ALTER TABLE {table.name} DISABLE TRIGGER USER"))
            return
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))


def forge(engine: Engine, *statements: str) -> None:
    """Carries the statements out, past all protections."""
    unprotect(engine)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
