"""The tables of the ledger as its newest revision leaves them. `history/` creates them; nothing else does."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

REVISION = "0004"  # the revision these tables have; a test compares it with the newest of history/
VERSION_TABLE = "ledger_version"  # not alembic_version: the database may hold other people's tables too

metadata = MetaData()

# One row. Who holds its lock may write: that makes the index dense and the order the order of commits.
head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
)

# Append-only. `canonical` is the entry; the other columns repeat it for queries and are checked against it.
entries = Table(
    "entries",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("release", String, nullable=False),
    Column("step", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("inputs", String, nullable=False),
    Column("canonical", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),  # RFC 6962: SHA256(0x00 || canonical)
    UniqueConstraint("release", "step", "subject", "attempt", "inputs", name="entries_key"),
    Index("entries_release", "release", "index"),
    Index("entries_subject", "step", "subject", "index"),  # what undid it; what runs where
)

# Personal data. A row may be erased; the entry keeps the digest of bytes that hold a salt of their own.
payloads = Table(
    "payloads",
    metadata,
    Column("index", BigInteger, ForeignKey("entries.index"), primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)

# Working table. A row stays when the lease is given back, so that the epoch only ever grows.
leases = Table(
    "leases",
    metadata,
    Column("release", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("until", String, nullable=False),
)

# Working table. Merged changes as their hosts told them: a delivery counts once, and a change once for a product,
# whichever of its mirrors tells it.
inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),  # SQLite counts up integers alone
    Column("hook", String, nullable=False),
    Column("delivery", String, nullable=False),
    Column("product", String, nullable=False),
    Column("merge_commit", String, nullable=False),
    Column("change", LargeBinary, nullable=False),
    Column("accepted_at", String, nullable=False),
    Column("boarded_at", String),  # when it went aboard a train or started a hotfix
    UniqueConstraint("hook", "delivery", name="inbox_delivery"),
    UniqueConstraint("product", "merge_commit", name="inbox_change"),
)

# Working table. How often deliveries to a hook were ignored or refused, and for which reason.
inbox_counts = Table(
    "inbox_counts",
    metadata,
    Column("hook", String, primary_key=True),
    Column("outcome", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_at", String, nullable=False),
)

# Working table, append-only. What the worker learnt of a change and decided. `content` has personal data; none of it
# goes into a fact.
inbox_notes = Table(
    "inbox_notes",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("change", BigInteger, ForeignKey("inbox.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("at", String, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("inbox_notes_change", "change", "id"),
)

# Working table. From which instant on a hook's host is asked for what was merged.
inbox_cursors = Table(
    "inbox_cursors",
    metadata,
    Column("hook", String, primary_key=True),
    Column("cursor", String, nullable=False),
)
