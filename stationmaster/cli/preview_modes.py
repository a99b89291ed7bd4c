"""Whose service the schema changes of a commit would limit, for a preview: each production database is asked where it
is, and the commit's revisions are rendered from there in the guest process. Nothing is changed.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from stationmaster.blocks.database import Revisions
from stationmaster.blocks.modes import laid_out
from stationmaster.blocks.source import GitRepository
from stationmaster.cli.person import now
from stationmaster.cli.tools import recall
from stationmaster.domain.agenda import Agenda
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.interruption import Interruption
from stationmaster.domain.migration_need import need_of
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import STAGE, Directory


def interruptions(
    source: GitRepository, product: Product, commit: str, directory: Directory, agenda: Agenda
) -> tuple[list[Interruption], str | None]:
    """One for each database; and why that is not known, where it is not."""
    if product.database is None:
        return [], None
    try:
        with TemporaryDirectory(prefix="stm-plan-") as folder:
            export, home = Path(folder, "export"), Path(folder, "home")
            home.mkdir()
            source.export(commit, export)
            return list(_found(Revisions(product.database, export, home), product, directory, agenda)), None
    except StationmasterError as error:
        return [], error.message


def _found(revisions: Revisions, product: Product, directory: Directory, agenda: Agenda) -> list[Interruption]:
    database, found = recall("database", product.product), list[Interruption]()
    for instance in sorted(set(database.databases) - {STAGE}):
        heads = database.revision(instance)
        need = need_of(database.render(heads, revisions)) if heads else None
        if need is not None:
            tenants = tuple(sorted(one.id for one in directory.tenants if one.instance == instance))
            mode = need.mode(product.service.modes)
            found.append(laid_out(Interruption(instance, mode, tenants, need.why), agenda, now()))
    return found
