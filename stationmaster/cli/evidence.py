"""`evidence …`: what proves a release to others. Commands are imported when called: `verify` needs no database."""

from cyclopts import App

app = App(name="evidence", help="Hand over what proves a release, and check what was handed over.")
app.command(
    "stationmaster.cli.evidence_bundle:bundle",
    name="bundle",
    help="Write a release's evidence, or what of it concerns one tenant, into a file.",
)
app.command(
    "stationmaster.cli.evidence_verify:verify",
    name="verify",
    help="Check a bundle with the keys of those who may sign: no server, no network, no ledger.",
)
app.command(
    "stationmaster.cli.evidence_queries:population",
    name="population",
    help="List every production change of a period, with the root of the ledger it was read from.",
)
app.command(
    "stationmaster.cli.evidence_queries:show",
    name="show",
    help="Tell a release's story in a page, or whether it reached a milestone.",
)
app.command(
    "stationmaster.cli.evidence_queries:cmdb",
    name="cmdb",
    help="Print a release as change request and configuration items.",
)
app.command(
    "stationmaster.cli.checkpoint:checkpoint",
    name="checkpoint",
    help="Sign the ledger's size and root, and publish them; or compare what was published.",
)
app.command(
    "stationmaster.cli.drift:drift",
    name="drift",
    help="Compare what runs in production with what was approved and deployed.",
)
