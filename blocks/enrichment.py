"""What the code host tells of a merged change beyond its delivery: reviews, authors of all commits, files."""

from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.hosting import PullRequest
from stationmaster.domain.deliveries import MergedChange
from stationmaster.domain.errors import OutsideError


class MergeUnconfirmedError(OutsideError):
    """The code host does not tell of the merge that the delivery told; it may lag behind, so it is asked again."""

    code = "merge_unconfirmed"


def enrich(host: CodeHost, change: MergedChange) -> PullRequest:
    """The change's pull request, when the host says that it became this merge commit on this branch.

    Raises:
        MergeUnconfirmedError: it says anything else, or the block is for another repository.
        CodeHostRefusedError, CodeHostBusyError, CodeHostUnavailableError: it says nothing.
    """
    if host.repository.lower() != change.repository.lower():
        raise MergeUnconfirmedError(
            f"the change is of {change.repository}, and the code-host block of its hook is for {host.repository}",
            hint="correct `repository` in the block, or give each repository a hook of its own",
        )
    found = host.pull_request(change.number)
    if found.merged is None:
        raise MergeUnconfirmedError(f"{host.name} does not say that #{change.number} is merged")
    told, said = (change.base, change.merge_commit), (found.merged.base, found.merged.commit)
    if told != said:
        raise MergeUnconfirmedError(
            f"{host.name} says that #{change.number} became {said[1][:12]} on {said[0]}, "
            f"and the delivery {told[1][:12]} on {told[0]}"
        )
    return found
