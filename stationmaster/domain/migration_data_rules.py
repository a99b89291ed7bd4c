"""The rules about data, history and the text itself, as a table; `migration_data.py` and `migrations.py` find them."""

from stationmaster.domain.migration_rule import ROWS, SHARE_UPDATE, Group, Rule

_DATA: Group = "Data and history"
_TEXT: Group = "The text itself"
_LONG = "a_name_that_says_so_very_much_about_its_column_that_nothing_is_left"
RENDER = "write it so that `alembic upgrade --sql` renders plain SQL"

DATA = (
    Rule(
        "update_without_where", _DATA, "error", ROWS, "Updates every row at once, and holds every row until it ends",
        "a backfill: batches by key, each its own transaction",
        "UPDATE orders SET note = ''", "UPDATE orders SET note = '' WHERE id = 7",
    ),
    Rule(
        "delete_without_where", _DATA, "error", ROWS, "Deletes every row",
        "delete in batches by key, in a backfill, when no old code reads them",
        "DELETE FROM orders", "DELETE FROM orders WHERE id = 7",
    ),
    Rule(
        "backfill", _DATA, "warning", ROWS, "Moves data inside a schema change, in one transaction of unknown length",
        "a backfill: batches by key, each its own transaction, after the deploy that writes both",
        "UPDATE orders SET state = 'open' WHERE state IS NULL", "UPDATE orders SET state = 'open' WHERE id = 7",
    ),
    Rule(
        "concurrent_if_not_exists", _DATA, "warning", SHARE_UPDATE,
        "IF NOT EXISTS on a concurrent index: an INVALID one that a failed run left is kept for ever",
        "op.drop_index(…, if_exists=True, postgresql_concurrently=True) before it, or look at pg_index.indisvalid",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_by_customer ON orders (customer)",
        "DROP INDEX CONCURRENTLY IF EXISTS orders_by_customer; "
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_by_customer ON orders (customer)",
    ),
    Rule(
        "identifier_too_long", _DATA, "error", None,
        "A name of more than 63 bytes, which PostgreSQL cuts off: two names may become one, and downgrade misses it",
        "a shorter name; give op.create_index and constraints theirs, or a naming_convention that is short",
        f"CREATE TABLE notes ({_LONG} int)", "CREATE TABLE notes (remark int)",
    ),
    Rule(
        "unrenderable", _TEXT, "error", None,
        "SQL that does not parse, DO and CALL, which cannot be seen into, a revision that is not recorded to its end: "
        "an error, never a pass",
        f"{RENDER}, without DO and CALL",
        "DO $$ BEGIN DROP TABLE orders; END $$", "ALTER TABLE orders ADD COLUMN remark text", refused=True,
    ),
    Rule(
        "exception_unused", _TEXT, "warning", None, "An exception for what is not there, or for no rule of ours",
        "take the comment away, or put it at the statement it is for",
        "-- stationmaster: allow drop_table because nobody reads it\nALTER TABLE orders ADD COLUMN remark text",
        "-- stationmaster: allow drop_view because the last reader left with 1.9\nDROP VIEW open_orders",
    ),
    Rule(
        "exception_without_reason", _TEXT, "error", None,
        "An exception that gives no reason, or cannot be read; it excuses nothing",
        "-- stationmaster: allow RULE because REASON",
        "-- stationmaster: allow drop_view\nDROP VIEW open_orders",
        "-- stationmaster: allow drop_view because the last reader left with 1.9\nDROP VIEW open_orders",
    ),
)  # fmt: skip
