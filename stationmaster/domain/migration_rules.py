"""Every rule of the linter, by its id. The reference page is generated from it, and its examples are run in tests.

`RULES` are those that a text of SQL shows, `OF_REVISION` those that a revision shows beside them.
"""

from stationmaster.domain.migration_data_rules import DATA
from stationmaster.domain.migration_lock_rules import LOCKS
from stationmaster.domain.migration_old_code_rules import OLD_CODE
from stationmaster.domain.migration_revision_rules import OF_REVISIONS

RULES = {rule.id: rule for rule in (*LOCKS, *OLD_CODE, *DATA)}
OF_REVISION = {rule.id: rule for rule in OF_REVISIONS}
EVERY = RULES | OF_REVISION
# What lasts as long as there are rows: it reads or writes them all, or builds an index of them.
SLOW = {rule.id for rule in RULES.values() if rule.scans or rule.rewrites} | {
    "index_not_concurrent", "unique_builds_index", "exclusion_constraint", "reindex",
}  # fmt: skip
