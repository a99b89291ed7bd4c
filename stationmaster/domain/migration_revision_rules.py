"""The rules that need a revision's source, or the revisions beside it, as a table; `migration_revisions.py` and
`migration_chain.py` find them. The examples are the part of a revision below its identifiers, and are run in tests.
"""

from stationmaster.domain.migration_rule import Group, Rule

_SOURCE: Group = "Revisions: source and history"
_ALONE = "with op.get_context().autocommit_block():\n        "
_ADD = "op.add_column('orders', sa.Column('remark', sa.Text))"
_DOWN = "\n\ndef downgrade():\n    op.drop_column('orders', 'remark')"
_DROP = "op.drop_column('orders', 'note')"


def _up(*lines: str, down: str = _DOWN) -> str:
    return "def upgrade():\n    " + "\n    ".join(lines) + down


OF_REVISIONS = (
    Rule(
        "reads_data", _SOURCE, "error", None,
        "Reads rows in a revision: what it then does with them was not seen, and takes as long as there are rows",
        "a backfill; or one statement of SQL that needs no rows in Python",
        _up("for row in op.get_bind().execute(sa.text('SELECT id FROM orders')):", "    op.execute(f'…{row.id}')"),
        _up(_ADD),
    ),
    Rule(
        "reads_schema", _SOURCE, "warning", None,
        "Asks what is there: it was recorded once as if nothing were that it asks for, and once as if everything were "
        "that its source names",
        "know what is there: the revisions before say it; IF EXISTS where it must be",
        _up("if sa.inspect(op.get_bind()).has_table('orders'):", f"    {_ADD}"),
        _up(_ADD),
    ),
    Rule(
        "orm_model", _SOURCE, "warning", None,
        "Imports a mapped class: a later change of it changes or breaks this revision, which was tested before",
        "sa.table('orders', sa.column('id')) in the revision, with the columns it needs",
        "from orderdesk.models import Order\n\n" + _up(_ADD),
        "orders = sa.table('orders', sa.column('id'))\n\n" + _up(_ADD),
    ),
    Rule(
        "orm_session", _SOURCE, "warning", None,
        "Uses an ORM session: it moves rows one by one, in a transaction that it may end by itself",
        "a backfill; or op.execute(…) of one statement",
        _up("Session(bind=op.get_bind()).execute(sa.text(\"UPDATE orders SET note = '' WHERE id = 7\"))"),
        _up("op.execute(\"UPDATE orders SET note = '' WHERE id = 7\")"),
    ),
    Rule(
        "autocommit_not_alone", _SOURCE, "error", None,
        "Has an autocommit_block and statements outside of it: what is before is committed although the rest may fail, "
        "and the revision cannot be run again",
        "put the autocommit_block into a revision of its own",
        _up(_ADD, _ALONE + "op.create_index('i', 'orders', ['remark'], postgresql_concurrently=True)"),
        _up(_ALONE + "op.create_index('i', 'orders', ['remark'], postgresql_concurrently=True)"),
    ),
    Rule(
        "no_downgrade", _SOURCE, "warning", None,
        "Has no downgrade, one that does nothing, or one that raises, and does not say why",
        'write downgrade(), which the rehearsal runs; or say why there is none: no_down = "reason"',
        _up(_ADD, down="\n\ndef downgrade():\n    pass"),
        'no_down = "the old column is gone, and with it what was in it"\n\n' + _up(_ADD, down=""),
    ),
    Rule(
        "several_heads", _SOURCE, "error", None,
        "One of several heads of a branch: `alembic upgrade` refuses, or leaves it to chance which comes first",
        "set its down_revision to the other head, or `alembic merge`",
        "# the other head: down_revision = 'root' too\n\n" + _up(_ADD), _up(_ADD),
    ),
    Rule(
        "broken_history", _SOURCE, "error", None,
        "Names a revision that is not here, has the id of another, or stands on itself",
        "mend `revision`, `down_revision` or `depends_on`",
        "depends_on = 'nowhere'\n\n" + _up(_ADD), _up(_ADD),
    ),
    Rule(
        "contract_in_expand", _SOURCE, "error", None,
        "Takes something from old code in a revision of the expand branch, which runs while old code does",
        "move it to a revision of the contract branch; `stationmaster migrations split` does it",
        'phase = "expand"\n\n' + _up(_DROP), 'phase = "contract"\n\n' + _up(_DROP),
    ),
    Rule(
        "expand_in_contract", _SOURCE, "error", None,
        "Adds something in a revision of the contract branch, which runs only after the code that needs it",
        "move it to a revision of the expand branch; `stationmaster migrations split` does it",
        'phase = "contract"\n\n' + _up(_ADD), 'phase = "expand"\n\n' + _up(_ADD),
    ),
    Rule(
        "mixed_phase", _SOURCE, "warning", None,
        "Does the work of more than one phase, which run at different times",
        'one revision for what is added, a backfill for the rows, and one with phase = "contract" for what goes; '
        "`stationmaster migrations split` does it",
        _up(_ADD, _DROP), _up(_ADD),
    ),
    Rule(
        "phase_unknown", _SOURCE, "error", None, "Says a phase that there is not",
        'phase = "expand" or phase = "contract", or no phase',
        'phase = "contrat"\n\n' + _up(_DROP), 'phase = "contract"\n\n' + _up(_DROP),
    ),
    Rule(
        "mode_unknown", _SOURCE, "error", None, "Needs a mode that there is not",
        'needs = "read_only" or needs = "maintenance", or none', 'needs = "readonly"\n\n' + _up(_ADD),
        'needs = "read_only"\n\n' + _up(_ADD),
    ),
)  # fmt: skip
