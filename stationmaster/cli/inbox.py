"""`inbox …`: the merged changes that the receiver took. The Prefect server is not asked."""

from cyclopts import App

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, table

app = App(name="inbox", help="The merged changes that the receiver took.")


@app.command(name="list")
def list_(*, config: str, json: Flag = False) -> None:
    """Every change in the inbox, in the order in which it came, and how many deliveries were ignored or refused.

    Parameters
    ----------
    config
        The receiver's file, which names the inbox.
    json
        One object on standard output.
    """
    from stationmaster.blocks.hooks import read_receiver  # noqa: PLC0415 - help needs no files
    from stationmaster.ledger.inbox import Inbox  # noqa: PLC0415 - imports sqlalchemy

    with Inbox.open(read_receiver(config).value.inbox.get_secret_value()) as inbox:
        found, counts = [arrival.record() for arrival in inbox.changes()], inbox.counts()
    rows = [(one["change"], one["base"], one["author"], one["accepted_at"], one["boarded_at"]) for one in found]
    text = [table(["change", "into", "by", "accepted", "aboard"], rows) if rows else "the inbox is empty"]
    if counts:
        others = [(one["hook"] or "-", one["outcome"], one["count"], one["last_at"]) for one in counts]
        text += ["", table(["hook", "not accepted", "deliveries", "last"], others)]
    answer({"changes": found, "counts": counts}, as_json=json, text="\n".join(text))
