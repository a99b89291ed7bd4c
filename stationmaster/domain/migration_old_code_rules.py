"""The rules about code that still runs on the old schema, as a table; `migration_old_code.py` finds them."""

from stationmaster.domain.migration_rule import EXCLUSIVE, SHARE_ROW, Group, Rule

_GROUP: Group = "Old code on new schema"
_CONTRACT = "leave it in place; move this to a contract revision of a later release, when no old code runs"
_BESIDE = "add the new one beside it, write both, and drop the old one in a contract revision of a later release"
_NULLS = "old code may still write NULL; add CHECK (… IS NOT NULL) NOT VALID in a contract revision of a later release"
_COLUMN = "op.add_column(…, nullable=True) or with server_default; make it required in a contract revision later"
_KEPT = "COMMENT ON TABLE orders IS 'no longer read from 2.1 on'"
_NEW = "ALTER TABLE orders ADD COLUMN remark text"

# kind, statement, lock on what was there
_DROPS = (
    ("table", "DROP TABLE orders", EXCLUSIVE),
    ("view", "DROP VIEW open_orders", EXCLUSIVE),
    ("column", "ALTER TABLE orders DROP COLUMN note", EXCLUSIVE),
    ("constraint", "ALTER TABLE orders DROP CONSTRAINT amount_positive", EXCLUSIVE),
    ("default", "ALTER TABLE orders ALTER COLUMN state DROP DEFAULT", EXCLUSIVE),
    ("identity", "ALTER TABLE invoices ALTER COLUMN id DROP IDENTITY", EXCLUSIVE),
    ("type", "DROP TYPE season", EXCLUSIVE),
    ("domain", "DROP DOMAIN percentage", EXCLUSIVE),
    ("sequence", "DROP SEQUENCE numbers", EXCLUSIVE),
    ("schema", "DROP SCHEMA archive", EXCLUSIVE),
    ("function", "DROP FUNCTION total(int)", EXCLUSIVE),
    ("procedure", "DROP PROCEDURE tidy_up()", EXCLUSIVE),
    ("aggregate", "DROP AGGREGATE product(int)", EXCLUSIVE),
    ("trigger", "DROP TRIGGER touch ON orders", EXCLUSIVE),
    ("policy", "DROP POLICY own ON orders", EXCLUSIVE),
    ("rule", "DROP RULE guard ON customers", EXCLUSIVE),
    ("extension", "DROP EXTENSION hstore", EXCLUSIVE),
    ("cast", "DROP CAST (mood AS int)", EXCLUSIVE),
    ("role", "DROP ROLE somebody", None),
    ("owned", "DROP OWNED BY somebody", None),
    ("database", "DROP DATABASE desk", None),
    ("object", "DROP COLLATION german", EXCLUSIVE),
)
_RENAMES = (
    ("table", "ALTER TABLE orders RENAME TO sales", EXCLUSIVE),
    ("view", "ALTER VIEW open_orders RENAME TO current_orders", EXCLUSIVE),
    ("column", "ALTER TABLE orders RENAME COLUMN note TO remark", EXCLUSIVE),
    ("constraint", "ALTER TABLE orders RENAME CONSTRAINT amount_positive TO positive", EXCLUSIVE),
    ("type", "ALTER TYPE mood RENAME TO state", None),
    ("value", "ALTER TYPE mood RENAME VALUE 'sad' TO 'low'", "EXCLUSIVE"),
    ("domain", "ALTER DOMAIN percentage RENAME TO percent", None),
    ("sequence", "ALTER SEQUENCE numbers RENAME TO counter", EXCLUSIVE),
    ("schema", "ALTER SCHEMA archive RENAME TO old", None),
    ("function", "ALTER FUNCTION total(int) RENAME TO sum_of", EXCLUSIVE),
    ("object", "ALTER COLLATION german RENAME TO german_phonebook", EXCLUSIVE),
)
_OTHERS = (
    Rule(
        "alter_type", _GROUP, "error", EXCLUSIVE, "Changes a column's type under old code", _BESIDE,
        "ALTER TABLE orders ALTER COLUMN quantity TYPE bigint", "ALTER TABLE orders ADD COLUMN quantity_big bigint",
        refused=True, rewrites=True,
    ),
    Rule(
        "set_not_null", _GROUP, "error", EXCLUSIVE, "Makes a column or domain NOT NULL under old code", _NULLS,
        "ALTER TABLE orders ALTER COLUMN note SET NOT NULL",
        "ALTER TABLE orders ADD CONSTRAINT note_given CHECK (note IS NOT NULL) NOT VALID", refused=True, scans=True,
    ),
    Rule(
        "required_column", _GROUP, "error", EXCLUSIVE,
        "Adds a column that must be given and that nothing fills; on a table with rows it fails at once", _COLUMN,
        "ALTER TABLE emptied ADD COLUMN city text NOT NULL",
        "ALTER TABLE emptied ADD COLUMN city text NOT NULL DEFAULT ''", refused=True, scans=True,
    ),
    Rule(
        "truncate", _GROUP, "error", EXCLUSIVE, "Empties a table that old code still reads", _CONTRACT,
        "TRUNCATE orders", _KEPT, refused=True, rewrites=True,
    ),
    Rule(
        "detach_partition", _GROUP, "error", EXCLUSIVE, "Takes a partition and its rows away from old code", _CONTRACT,
        "ALTER TABLE events DETACH PARTITION events_2024", "COMMENT ON TABLE events_2024 IS 'goes with 2.1'",
        refused=True,
    ),
    Rule(
        "default_change", _GROUP, "warning", EXCLUSIVE,
        "Changes what a column holds when old code leaves it out",
        "have the new code give the value; op.alter_column(…, server_default=…) in a later contract revision",
        "ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'new'",
        "ALTER TABLE orders ADD COLUMN stage text DEFAULT 'new'",
    ),
    Rule(
        "drop_expression", _GROUP, "error", EXCLUSIVE,
        "Stops computing a generated column, which old code leaves to the database", _CONTRACT,
        "ALTER TABLE computed ALTER COLUMN doubled DROP EXPRESSION", "ALTER TABLE computed ADD COLUMN total int",
        refused=True,
    ),
    Rule(
        "disable_trigger", _GROUP, "error", SHARE_ROW, "Turns a trigger off, which old code relies on", _CONTRACT,
        "ALTER TABLE orders DISABLE TRIGGER touch", _KEPT, refused=True,
    ),
    Rule(
        "write_restriction", _GROUP, "error", EXCLUSIVE,
        "Forbids old code what it may do now: row level security, a rule in the way, a privilege taken back",
        "let the new code keep to it first; op.execute(…) it in a contract revision of a later release",
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY", "CREATE POLICY mine ON orders USING (true)", refused=True,
    ),
)  # fmt: skip

_SPOKEN = {"object": "something else", "owned": "everything of a role", "value": "a value of an enum"}


def _spoken(kind: str) -> str:
    return _SPOKEN.get(kind) or f"{'an' if kind[0] in 'aeio' else 'a'} {kind}"


OLD_CODE = (
    *(
        Rule(
            f"drop_{kind}", _GROUP, "error", lock,
            f"Drops {_spoken(kind)} that old code still uses",
            _CONTRACT, bad, _KEPT, refused=True,
        )
        for kind, bad, lock in _DROPS
    ),
    *(
        Rule(
            f"rename_{kind}", _GROUP, "error", lock,
            f"Renames or moves {_spoken(kind)}; old code still uses the old name",
            _BESIDE, bad, _NEW, refused=True,
        )
        for kind, bad, lock in _RENAMES
    ),
    *_OTHERS,
)  # fmt: skip
