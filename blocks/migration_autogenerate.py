"""For a product's env.py: what `alembic revision --autogenerate` finds becomes an expand and a contract revision.

    context.configure(…, process_revision_directives=into_phases)

It divides by the same rules as `migrations split`. Alembic alone talks to the database; nothing is run here.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.operations.ops import MigrateOperation, MigrationScript, ModifyTableOps, UpgradeOps
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from stationmaster.domain.errors import RefusedError
from stationmaster.domain.migration_history import History
from stationmaster.domain.migration_recorded import Operation, Recorded, Run
from stationmaster.domain.migration_split import PHASES, beginning, named, part_of
from stationmaster.domain.migration_statements import statements_of
from stationmaster.domain.migrations import lint


def into_phases(context: MigrationContext, _revision: object, directives: list[MigrationScript]) -> None:
    """Replaces a generated revision by one for each phase that it has. One that nothing was found for stays.

    Raises:
        CommandError: it cannot be divided by rule; Alembic then writes nothing.
    """
    if not directives or all(found.is_empty() for found in directives[0].upgrade_ops_list):
        return
    (whole,) = directives
    if len(whole.upgrade_ops_list) > 1:
        raise CommandError("several databases in one revision cannot be divided into expand and contract")
    upgrade = whole.upgrade_ops_list[0]
    try:
        parts = _parts(list(_flat(upgrade.ops)))
    except RefusedError as error:
        raise CommandError(f"not divided into expand and contract: {error.message}") from None
    found = [phase for phase in PHASES if phase in parts.values()]
    names = {phase: named(whole.rev_id or "", phase) if len(found) > 1 else whole.rev_id for phase in found}
    scripts: Any = context.script
    directives[:] = [_half(whole, phase, _of(upgrade, phase, parts), names, scripts) for phase in found]


def _flat(found: list[Any]) -> Iterator[MigrateOperation]:
    for one in found:
        if isinstance(one, ModifyTableOps):
            yield from _flat(list(one.ops))
        else:
            yield one


def _parts(every: list[MigrateOperation]) -> dict[int, str]:
    """The phase of each operation, by its identity. What they would send says so, one after the other."""
    texts = [_sql(one) for one in every]
    recorded = [Operation(line=number, sql=text, kind="operation") for number, text in enumerate(texts)]
    statements = statements_of(Run(operations=tuple(recorded)))
    return {
        id(one): part_of(
            [each for each in statements if each.operation.line == number], {hit.rule for hit in lint(text, "revision")}
        )
        for number, (one, text) in enumerate(zip(every, texts, strict=True))
    }


def _sql(one: MigrateOperation) -> str:
    buffer = io.StringIO()
    offline = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer})
    Operations(offline).invoke(one)
    return buffer.getvalue()


def _of(upgrade: UpgradeOps, phase: str, parts: dict[int, str]) -> UpgradeOps:
    """The operations of one phase, those of a table still together."""
    kept: list[Any] = []
    for one in upgrade.ops:
        if isinstance(one, ModifyTableOps):
            inner = [each for each in one.ops if parts[id(each)] == phase]
            kept += [ModifyTableOps(one.table_name, inner, schema=one.schema)] if inner else []
        elif parts[id(one)] == phase:
            kept.append(one)
    return UpgradeOps(ops=kept, upgrade_token=upgrade.upgrade_token)


def _half(
    whole: MigrationScript, phase: str, upgrade: UpgradeOps, names: dict[str, str | None], scripts: ScriptDirectory
) -> MigrationScript:
    """Contract depends on expand, so that no order of heads runs it too early."""
    begins = not any(phase in one.branch_labels for one in scripts.walk_revisions())
    depends = str(names["expand"]) if phase == "contract" and "expand" in names else whole.depends_on
    return MigrationScript(
        names[phase], upgrade, upgrade.reverse(),
        message=f"{whole.message or 'generated'} ({phase})" if len(names) > 1 else whole.message,
        imports=whole.imports,
        head=_base(whole, scripts) if begins else f"{phase}@head",
        splice=begins,  # the other half may have followed it meanwhile
        branch_label=phase if begins else None,
        version_path=next((place for place in scripts.version_locations or () if Path(place).name == phase), None),
        depends_on=depends,
    )  # fmt: skip


def _base(whole: MigrationScript, scripts: ScriptDirectory) -> str:
    """Where a branch begins: at what the whole would have followed, or below the other branch."""
    found = scripts.get_revisions(whole.head or "head")
    name = found[0].revision if found else None
    history = History.of([_recorded(one) for one in scripts.walk_revisions()])
    return beginning(name, history) or "base"


def _recorded(one: Script) -> Recorded:
    """As much of a revision as its place needs."""
    said = {key: getattr(one.module, key, None) for key in ("revision", "down_revision", "branch_labels")}
    return Recorded.of(one.path, "", said)
