"""The rules about locks and rewrites, as a table; `migration_locks.py` and `migration_transactions.py` find them.

What a rule claims of lock, rewrite and scan is compared with PostgreSQL in `tests/domain/test_migration_tracer.py`.
"""

from stationmaster.domain.migration_rule import EXCLUSIVE, SHARE, SHARE_ROW, Group, Rule

_GROUP: Group = "Locks and rewrites"
_ALONE = "with op.get_context().autocommit_block(): "
_FILL = "op.add_column(…) without it, fill it in batches by a backfill, then "

LOCKS = (
    Rule(
        "index_not_concurrent", _GROUP, "error", SHARE, "Builds an index while nobody may write",
        _ALONE + "op.create_index(…, postgresql_concurrently=True), in a revision of its own",
        "CREATE INDEX orders_by_customer ON orders (customer)",
        "CREATE INDEX CONCURRENTLY orders_by_customer ON orders (customer)",
    ),
    Rule(
        "drop_index_not_concurrent", _GROUP, "warning", EXCLUSIVE, "Drops an index while nobody may read or write",
        _ALONE + "op.drop_index(…, postgresql_concurrently=True)",
        "DROP INDEX orders_by_note", "DROP INDEX CONCURRENTLY orders_by_note",
    ),
    Rule(
        "concurrent_in_transaction", _GROUP, "error", None,
        "Runs inside a transaction what PostgreSQL refuses there",
        _ALONE + "… , and transaction_per_migration=True in env.py",
        "BEGIN; CREATE INDEX CONCURRENTLY orders_by_customer ON orders (customer); COMMIT",
        "BEGIN; ALTER TABLE orders ADD COLUMN remark text; COMMIT; "
        "CREATE INDEX CONCURRENTLY orders_by_customer ON orders (customer)",
    ),
    Rule(
        "foreign_key_validates", _GROUP, "error", SHARE_ROW,
        "Adds a foreign key and reads the whole table for it, while nobody may write to either table",
        "op.create_foreign_key(…, postgresql_not_valid=True); op.execute('ALTER TABLE … VALIDATE CONSTRAINT …') in the "
        "next revision",
        "ALTER TABLE orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id)",
        "ALTER TABLE orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id) NOT VALID",
        scans=True,
    ),
    Rule(
        "check_validates", _GROUP, "error", EXCLUSIVE,
        "Adds a check and reads the whole table for it, while nobody may read or write",
        "op.create_check_constraint(…, postgresql_not_valid=True); op.execute('ALTER TABLE … VALIDATE CONSTRAINT …') "
        "in the next revision",
        "ALTER TABLE orders ADD CONSTRAINT counted CHECK (quantity > 0)",
        "ALTER TABLE orders ADD CONSTRAINT counted CHECK (quantity > 0) NOT VALID", scans=True,
    ),
    Rule(
        "domain_check_validates", _GROUP, "error", SHARE,
        "Adds a check to a domain and reads every table that has a column of it, while nobody may write to them",
        "op.execute('ALTER DOMAIN … ADD CONSTRAINT … NOT VALID'); ALTER DOMAIN … VALIDATE CONSTRAINT … in the next "
        "revision",
        "ALTER DOMAIN money_amount ADD CONSTRAINT small CHECK (VALUE < 100000)",
        "ALTER DOMAIN money_amount ADD CONSTRAINT small CHECK (VALUE < 100000) NOT VALID", scans=True,
    ),
    Rule(
        "validate_same_transaction", _GROUP, "error", EXCLUSIVE,
        "Validates a constraint while the lock of adding it is still held",
        "put VALIDATE CONSTRAINT into a revision of its own, with transaction_per_migration=True in env.py",
        "BEGIN; ALTER TABLE orders ADD CONSTRAINT counted CHECK (quantity > 0) NOT VALID; "
        "ALTER TABLE orders VALIDATE CONSTRAINT counted; COMMIT",
        "BEGIN; ALTER TABLE orders ADD CONSTRAINT counted CHECK (quantity > 0) NOT VALID; COMMIT; "
        "BEGIN; ALTER TABLE orders VALIDATE CONSTRAINT counted; COMMIT", scans=True,
    ),
    Rule(
        "unique_builds_index", _GROUP, "error", EXCLUSIVE,
        "Adds a unique or primary key and builds its index, while nobody may read or write",
        _ALONE + "op.create_index(…, unique=True, postgresql_concurrently=True); then op.execute('ALTER TABLE … ADD "
        "CONSTRAINT … UNIQUE USING INDEX …') in the next revision",
        "ALTER TABLE orders ADD CONSTRAINT orders_once UNIQUE (number)",
        "ALTER TABLE orders ADD CONSTRAINT orders_once UNIQUE USING INDEX orders_by_number",
    ),
    Rule(
        "exclusion_constraint", _GROUP, "error", EXCLUSIVE,
        "Adds an exclusion constraint and builds its index, while nobody may read or write; there is no other way",
        "put it on a new table and move the rows by a backfill; or read-only mode, and say so at the statement",
        "ALTER TABLE orders ADD CONSTRAINT apart EXCLUDE (number WITH =)",
        "CREATE TABLE bookings (number int, EXCLUDE (number WITH =))",
    ),
    Rule(
        "not_null_scans", _GROUP, "error", EXCLUSIVE,
        "Reads the whole table for NOT NULL, while nobody may read or write",
        "op.create_check_constraint('c', 't', 'x IS NOT NULL', postgresql_not_valid=True); VALIDATE CONSTRAINT c in "
        "the next revision; then op.alter_column('t', 'x', nullable=False), which reads nothing, and drop c",
        "ALTER TABLE orders ALTER COLUMN quantity SET NOT NULL",
        "ALTER TABLE orders ADD CONSTRAINT q CHECK (quantity IS NOT NULL) NOT VALID; "
        "ALTER TABLE orders VALIDATE CONSTRAINT q; ALTER TABLE orders ALTER COLUMN quantity SET NOT NULL",
        scans=True,
    ),
    Rule(
        "volatile_default", _GROUP, "error", EXCLUSIVE,
        "Adds a column whose default differs from row to row, and so writes the whole table anew",
        _FILL + "op.alter_column(…, server_default=…)",
        "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE orders ADD COLUMN seen timestamptz DEFAULT now()", rewrites=True,
    ),
    Rule(
        "generated_column", _GROUP, "error", EXCLUSIVE,
        "Adds a stored generated column and writes the whole table anew",
        "a plain column that the application or a trigger keeps, filled by a backfill",
        "ALTER TABLE orders ADD COLUMN doubled int GENERATED ALWAYS AS (quantity * 2) STORED",
        "ALTER TABLE orders ADD COLUMN doubled int", rewrites=True,
    ),
    Rule(
        "serial_column", _GROUP, "error", EXCLUSIVE,
        "Adds a serial or identity column and writes the whole table anew",
        _FILL + "op.execute('ALTER TABLE … ALTER … ADD GENERATED …') once it is NOT NULL",
        "ALTER TABLE orders ADD COLUMN line bigserial", "ALTER TABLE orders ADD COLUMN line bigint", rewrites=True,
    ),
    Rule(
        "type_rewrite", _GROUP, "error", EXCLUSIVE, "Changes a column's type and writes the whole table anew",
        "op.add_column(…) of the new type, write both, a backfill, then read the new one",
        "ALTER TABLE orders ALTER COLUMN quantity TYPE bigint", "ALTER TABLE orders ADD COLUMN quantity_big bigint",
        rewrites=True,
    ),
    Rule(
        "table_rewrite", _GROUP, "error", EXCLUSIVE,
        "Writes the whole table anew: SET LOGGED, UNLOGGED, TABLESPACE, ACCESS METHOD, EXPRESSION",
        "a new table with the wanted storage, moved to by a backfill; or a window in read-only mode",
        "ALTER TABLE orders SET UNLOGGED", "ALTER TABLE orders SET (fillfactor = 90)", rewrites=True,
    ),
    Rule(
        "work_after_lock", _GROUP, "error", EXCLUSIVE,
        "Reads or writes rows while an ACCESS EXCLUSIVE lock is held, so that everybody waits for it",
        "a revision of its own for the schema change; the rows by a backfill",
        "BEGIN; ALTER TABLE orders ADD COLUMN remark text; "
        "UPDATE customers SET name = upper(name) WHERE id < 100; COMMIT",
        "BEGIN; ALTER TABLE orders ADD COLUMN remark text; COMMIT",
    ),
    Rule(
        "two_tables_locked", _GROUP, "warning", EXCLUSIVE,
        "Locks a second table against readers while the first is held: both wait for the slower, or deadlock",
        "one table a revision, with transaction_per_migration=True in env.py",
        "BEGIN; ALTER TABLE orders ADD COLUMN remark text; ALTER TABLE customers ADD COLUMN remark text; COMMIT",
        "BEGIN; ALTER TABLE orders ADD COLUMN remark text; COMMIT; "
        "BEGIN; ALTER TABLE customers ADD COLUMN remark text; COMMIT",
    ),
    Rule(
        "lock_table", _GROUP, "error", EXCLUSIVE, "Locks a table by hand until the transaction ends",
        "leave it out: each statement takes the lock it needs",
        "BEGIN; LOCK TABLE orders; COMMIT", "BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE; COMMIT",
    ),
    Rule(
        "vacuum_full", _GROUP, "error", EXCLUSIVE, "Writes the whole table anew, while nobody may read or write",
        "VACUUM without FULL, outside of revisions; pg_repack or pg_squeeze where space must come back",
        "VACUUM FULL orders", "VACUUM orders", rewrites=True,
    ),
    Rule(
        "cluster", _GROUP, "error", EXCLUSIVE, "Writes the whole table in order, while nobody may read or write",
        "pg_repack or pg_squeeze, outside of revisions",
        "CLUSTER orders USING orders_pkey", "ALTER TABLE orders CLUSTER ON orders_pkey", rewrites=True,
    ),
    Rule(
        "reindex", _GROUP, "error", SHARE, "Builds an index anew while nobody may write, or use it to read",
        _ALONE + "op.execute('REINDEX … CONCURRENTLY …')",
        "REINDEX TABLE orders", "REINDEX TABLE CONCURRENTLY orders",
    ),
    Rule(
        "attach_partition", _GROUP, "warning", EXCLUSIVE,
        "Attaches a partition and reads all of it, unless a valid CHECK already says what the bounds say",
        "op.create_check_constraint(…, postgresql_not_valid=True) with the bounds, VALIDATE, then ATTACH; the same on "
        "a default partition",
        "ALTER TABLE events ATTACH PARTITION events_2025 FOR VALUES FROM (2025) TO (2026)",
        "CREATE TABLE events_2026 (year int NOT NULL); "
        "ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM (2026) TO (2027)", scans=True,
    ),
    Rule(
        "detach_not_concurrent", _GROUP, "error", EXCLUSIVE,
        "Detaches a partition while nobody may read or write the whole partitioned table",
        _ALONE + "op.execute('ALTER TABLE … DETACH PARTITION … CONCURRENTLY')",
        "ALTER TABLE events DETACH PARTITION events_2024",
        "ALTER TABLE events DETACH PARTITION events_2024 CONCURRENTLY",
    ),
    Rule(
        "create_partition", _GROUP, "warning", EXCLUSIVE,
        "Creates a partition in place, for which the whole partitioned table is locked against readers",
        "op.execute('CREATE TABLE … (LIKE … INCLUDING ALL)') and ATTACH PARTITION, which locks less",
        "CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM (2027) TO (2028)",
        "CREATE TABLE events_2027 (LIKE events INCLUDING ALL)",
    ),
    Rule(
        "refresh_view", _GROUP, "error", EXCLUSIVE, "Fills a materialized view anew while nobody may read it",
        "a unique index on it, then op.execute('REFRESH MATERIALIZED VIEW CONCURRENTLY …')",
        "REFRESH MATERIALIZED VIEW totals", "REFRESH MATERIALIZED VIEW CONCURRENTLY totals", rewrites=True,
    ),
    Rule(
        "create_trigger", _GROUP, "info", SHARE_ROW,
        "Creates a trigger: a short lock against writers, and code in every write after it",
        "nothing, if the function is quick; else leave it to the application",
        "CREATE TRIGGER again BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touched()",
        "CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    ),
)  # fmt: skip
