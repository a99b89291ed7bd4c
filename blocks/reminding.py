"""Reminds of hotfixes that the release branch lacks, and of emergencies at which nobody else has looked: once while
that is owed, once more when it is overdue.
"""

from stationmaster.blocks.carried import product_at
from stationmaster.blocks.emergencies import emergencies
from stationmaster.blocks.merge_backs import merge_backs
from stationmaster.blocks.owing import MAIN
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.block_kit import escaped, sections
from stationmaster.domain.entries import Draft
from stationmaster.domain.hotfix import aftermath, review_due


def remind(tools: Toolbox) -> list[str]:
    """What is owed, in words for people, each told in the channel under a key of its own: so it is told once."""
    head = tools.source.resolve(MAIN)
    product = product_at(tools.source, head.commit)
    into = product.train.branch if product.train else MAIN
    found = []
    for back in merge_backs(tools, product, into):
        if back.owed(tools.now()):
            found.append(back)
        else:  # for good: its branch may be deleted now
            fact = {"into": into}
            tools.ledger.append(Draft(release=back.release, step="merged_back", inputs=fact, fact=fact), tools.now())
    said = [aftermath(back, review_due(product.hotfix, back.since), tools.now()) for back in found]
    for back, text in zip(found, said, strict=True):
        _tell(tools, f"{back.release}/merge-back", text, overdue=back.overdue(tools.now()))
    return [*said, *_looks(tools, product.product)]


def _looks(tools: Toolbox, product: str) -> list[str]:
    """Of emergencies."""
    now = tools.now()
    left = [one for one in emergencies(tools.ledger, tools.signer, product) if one.owed(now)]
    for one in left:
        _tell(tools, f"{one.release}/review/{one.entry}", one.said(now), overdue=one.overdue(now))
    return [one.said(now) for one in left]


def _tell(tools: Toolbox, about: str, text: str, *, overdue: bool) -> None:
    tools.chat.post(f"{about}/{'overdue' if overdue else 'owed'}", text, [*sections(escaped(text))])
