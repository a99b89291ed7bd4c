"""Whether every hotfix in production is in the release branch by now, and somebody has looked at every emergency. What
is overdue also blocks the next train, which asks for itself (`flows/train.py`).
"""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from stationmaster.blocks.reminding import remind
from stationmaster.blocks.toolbox import load
from stationmaster.domain.request import TrainRequest


@flow(name="merge-back-check", flow_run_name="{request.product}", retries=0)
def merge_back_check(request: TrainRequest) -> State[None]:
    """Remind in the channel of hotfixes that are not merged back and of emergencies that nobody reviewed, once while it
    is due and once when it is overdue.

    Args:
        request: Whose hotfixes and emergencies.
    """
    said = remind(load(request.product))
    return Completed(
        name="Owed" if said else "Nothing",
        message=" ".join(said) or "every hotfix is merged back, and every emergency was reviewed",
    )
