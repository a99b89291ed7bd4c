"""What is in the ledger stays: triggers refuse to change and remove entries, and to count down.

They stop a mistake and a role that may write but does not own the tables (`ledger/protection.py`). The owner can drop
them, as everything; that is what published checkpoints are for. A revision that must change these tables takes them
away first, in the open.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The names in a function are resolved by its own search path, and the ledger's tables by the schema that the trigger
# fired in: a caller's temporary table `entries` is not asked.
_REFUSE = """
CREATE FUNCTION stationmaster_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % of % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'SM001';
END $$
"""
_GROW = """
CREATE FUNCTION stationmaster_grow() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE added bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %I.entries WHERE "index" >= $1 AND "index" < $2', TG_TABLE_SCHEMA)
        INTO added USING OLD.size, NEW.size;
    IF NEW.id <> OLD.id OR added <> NEW.size - OLD.size THEN
        RAISE EXCEPTION 'the ledger is append-only: its size goes from % to % with % new entries',
            OLD.size, NEW.size, added USING ERRCODE = 'SM001';
    END IF;
    RETURN NEW;
END $$
"""
_COUNTED = """
CREATE FUNCTION stationmaster_counted() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE total bigint;
BEGIN
    EXECUTE format('SELECT size FROM %I.head WHERE id = 1', TG_TABLE_SCHEMA) INTO total;
    IF NEW."index" < 0 OR NEW."index" >= total THEN
        RAISE EXCEPTION 'the ledger is append-only: entry % is outside its size of %', NEW."index", total
            USING ERRCODE = 'SM001';
    END IF;
    RETURN NULL;
END $$
"""
FUNCTIONS = {"stationmaster_refuse": _REFUSE, "stationmaster_grow": _GROW, "stationmaster_counted": _COUNTED}
_POSTGRESQL = {
    "entries": {
        "stationmaster_stay": "BEFORE UPDATE OR DELETE ON entries FOR EACH ROW EXECUTE FUNCTION stationmaster_refuse()",
        "stationmaster_stay_all": "BEFORE TRUNCATE ON entries"
        " FOR EACH STATEMENT EXECUTE FUNCTION stationmaster_refuse()",
        # At the end of the transaction, when the head is counted up: no entry lies beyond it.
        "stationmaster_counted": "AFTER INSERT ON entries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION stationmaster_counted()",
    },
    "payloads": {  # they may be erased, one by one
        "stationmaster_stay": "BEFORE UPDATE ON payloads FOR EACH ROW EXECUTE FUNCTION stationmaster_refuse()",
        "stationmaster_stay_all": "BEFORE TRUNCATE ON payloads"
        " FOR EACH STATEMENT EXECUTE FUNCTION stationmaster_refuse()",
    },
    "head": {
        "stationmaster_grow": "BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION stationmaster_grow()",
        "stationmaster_stay": "BEFORE DELETE ON head FOR EACH ROW EXECUTE FUNCTION stationmaster_refuse()",
        "stationmaster_stay_all": "BEFORE INSERT OR TRUNCATE ON head"
        " FOR EACH STATEMENT EXECUTE FUNCTION stationmaster_refuse()",
    },
}
_SQLITE = {  # what each trigger stops, and its message
    "entries_update": ("BEFORE UPDATE ON entries", "UPDATE of entries"),
    "entries_delete": ("BEFORE DELETE ON entries", "DELETE of entries"),
    "entries_replace": (  # REPLACE deletes without asking the trigger above
        """BEFORE INSERT ON entries WHEN EXISTS (
            SELECT 1 FROM entries WHERE "index" = NEW."index" OR ("release" = NEW."release" AND step = NEW.step
            AND subject = NEW.subject AND attempt = NEW.attempt AND inputs = NEW.inputs))""",
        "a second entry of one index or key",
    ),
    "payloads_update": ("BEFORE UPDATE ON payloads", "UPDATE of payloads"),
    "payloads_replace": (
        """BEFORE INSERT ON payloads WHEN EXISTS (SELECT 1 FROM payloads WHERE "index" = NEW."index")""",
        "a second payload of one entry",
    ),
    "head_update": (
        """BEFORE UPDATE ON head WHEN NEW.id <> OLD.id OR NEW.size - OLD.size <> (
            SELECT count(*) FROM entries WHERE "index" >= OLD.size AND "index" < NEW.size)""",
        "a size without its entries",
    ),
    "head_delete": ("BEFORE DELETE ON head", "DELETE of head"),
    "head_insert": ("BEFORE INSERT ON head", "INSERT of head"),
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        for name, (when, what) in _SQLITE.items():
            refused = f"SELECT RAISE(ABORT, 'the ledger is append-only: {what} is refused')"
            op.execute(f"CREATE TRIGGER stationmaster_{name} {when} BEGIN {refused}; END")


def _protect_postgresql() -> None:
    """ALWAYS: a session that calls itself a replica is refused too."""
    for function in FUNCTIONS.values():
        op.execute(function)
    for table, triggers in _POSTGRESQL.items():
        for name, does in triggers.items():
            kind = "CONSTRAINT TRIGGER" if "DEFERRABLE" in does else "TRIGGER"
            op.execute(f"CREATE {kind} {name} {does}")
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
