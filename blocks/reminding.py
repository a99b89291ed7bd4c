"""Reminds of hotfixes that the release branch lacks: once while they are owed, once more when they are overdue."""

from stationmaster.blocks.carried import CONFIG
from stationmaster.blocks.merge_backs import merge_backs
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.blocks.trains import MAIN
from stationmaster.domain.block_kit import escaped, sections
from stationmaster.domain.documents import read
from stationmaster.domain.entries import Draft
from stationmaster.domain.hotfix import MergeBack, aftermath, review_due
from stationmaster.domain.product import Product


def remind(tools: Toolbox) -> list[str]:
    """What is owed, in words for people, each told in the channel under a key of its own: so it is told once."""
    head = tools.source.resolve(MAIN)
    product = read(Product, tools.source.read(head.commit, CONFIG), CONFIG).value
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
        tools.chat.post(_key(back, overdue=back.overdue(tools.now())), text, [*sections(escaped(text))])
    return said


def _key(back: MergeBack, *, overdue: bool) -> str:
    return f"{back.release}/merge-back/{'overdue' if overdue else 'owed'}"
