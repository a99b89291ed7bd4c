"""`register`: what `up` does for its own server, for any other."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.domain.errors import InputError, StationmasterError

if TYPE_CHECKING:
    from stationmaster.blocks.chat import SlackChat
    from stationmaster.domain.train import Train


def register(*, product: str | None = None, receiver: str | None = None, json: Flag = False) -> None:
    """Tell the Prefect server every flow with its form, the work pool and the types of blocks. Safe to repeat.

    The server is the one that PREFECT_API_URL or your Prefect profile names, else the one that `stationmaster up`
    brought up here. What people changed in the UI of a work pool is kept.

    Parameters
    ----------
    product
        The product whose channel is told when a flow run crashes or nobody begins it, and whose trains are scheduled
        when its stationmaster.yaml has `train`; the only one known here.
    receiver
        The receiver's file, about whose hooks catch-up asks every 15 minutes. The worker must find it under this path.
    json
        One object on standard output.
    """
    from stationmaster.blocks.toolbox import PrefectAwayError  # noqa: PLC0415 - imports the ledger
    from stationmaster.deployments import registration  # noqa: PLC0415 - imports prefect, which costs seconds
    from stationmaster.deployments.alerts import alert  # noqa: PLC0415
    from stationmaster.deployments.flow_runs import connected  # noqa: PLC0415

    config = _absolute(receiver) if receiver else None
    try:
        with connected() as client:
            url = str(client.api_url).rstrip("/").removesuffix("/api")
        deployments = registration.register()
        if config:
            registration.schedule_catch_up(config)
        chat = _chat(product)
        alerts = alert(*chat) if chat else []
        if chat:
            trains = registration.schedule_train(chat[0], _train(chat[0]))
            deployments += [*([trains] if trains else []), registration.schedule_merge_backs(chat[0])]
            deployments.append(registration.schedule_drift(chat[0]))
    except StationmasterError:
        raise
    except Exception as error:
        raise PrefectAwayError(
            f"the Prefect server does not take the deployments: {type(error).__name__}: {error}",
            hint="stationmaster up, or see PREFECT_API_URL and PREFECT_API_AUTH_STRING",
        ) from error
    if not alerts:
        say("no product's channel is known here, so nobody is told of crashed and late runs")
    text = "\n".join([*(f"{name}  {url}/deployments" for name in deployments), *alerts])
    answer({"server": url, "deployments": deployments, "alerts": alerts}, as_json=json, text=text)


def _absolute(receiver: str) -> str:
    """Where the receiver's file is, whoever asks from which folder; it is read, so that a wrong one is said now."""
    from stationmaster.blocks.hooks import read_receiver  # noqa: PLC0415

    read_receiver(receiver)
    return str(Path(receiver).resolve())


def _chat(product: str | None) -> "tuple[str, SlackChat] | None":
    """Whose channel is told, and how it is reached; nobody's when none was named and not exactly one is known."""
    from stationmaster.blocks.toolbox import only_product, recall  # noqa: PLC0415

    name = product
    if name is None:
        with suppress(InputError):
            name = only_product()
    return (name, recall("chat", name)) if name else None


def _train(product: str) -> "Train | None":
    """When the product's trains leave; None when it has none."""
    from stationmaster.blocks.toolbox import recall  # noqa: PLC0415
    from stationmaster.blocks.trains import NoTrainError, train_of  # noqa: PLC0415

    try:
        return train_of(recall("source", product))[1]
    except NoTrainError:
        return None
