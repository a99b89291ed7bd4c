"""Which artifacts were approved, counted anew from the signatures that were there when an entry said so. An entry that
says `approved` proves nothing by itself; only where personal data was erased is it taken at its word.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from stationmaster.blocks.approval import words_of
from stationmaster.blocks.confirmation import confirmation
from stationmaster.blocks.signer import FileSigner
from stationmaster.domain.approval import decide
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.entries import UNDONE_BY, Entry
from stationmaster.domain.question import Question
from stationmaster.domain.ratification import approvers_in, subject

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger

_WENT_ON = frozenset({"briefed", "passed", "expanding", "deployed"})


def approved_of(ledger: "Ledger", signer: FileSigner, wanted: Collection[str]) -> frozenset[str]:
    """Those of the digests that some release was approved with, and by that approval went on or still may."""
    mandates = {(one.release, one.fact["digest"]): one for one in ledger.every("mandated")
                if one.fact.get("artifact") in wanted}  # fmt: skip
    found: set[str] = set()
    for entry in ledger.every("approved"):
        mandate = mandates.get((entry.release, entry.fact.get("mandate")))
        if mandate and mandate.fact["artifact"] not in found and _holds(ledger, signer, mandate, entry):
            found.add(mandate.fact["artifact"])
    return frozenset(found)


def _holds(ledger: "Ledger", signer: FileSigner, mandate: Entry, entry: Entry) -> bool:
    entries = ledger.entries(entry.release)
    if mandate.index > entry.index or not _stood(entries, entry):
        return False
    needed = [mandate, *(one for one in entries if one.step == "approval" and "envelope" not in one.fact)]
    people = _approvers_at(ledger, signer, entry)
    if people is None or any(_erased(ledger, one) for one in needed):
        return True
    told = ledger.personal(mandate)
    if told is None:
        return False
    words = [word for word in words_of(ledger, entry.release) if (word.entry or 0) < entry.index]
    question = Question.read(entry.release, mandate.fact, told)
    return decide(question, words, people, datetime.fromisoformat(entry.at)).satisfied


def _stood(entries: Iterable[Entry], entry: Entry) -> bool:
    """Whether it was not undone, or only after the release had gone on by it."""
    for one in entries:
        if one.index > entry.index and one.step in _WENT_ON:
            return True
        if one.index > entry.index and one.step in UNDONE_BY["approved"]:
            return False
    return True


def _approvers_at(ledger: "Ledger", signer: FileSigner, entry: Entry) -> Approvers | None:
    """Those who were ratified by then; the file where nobody was, None where they were erased."""
    start = confirmation(ledger, entry.release)
    if start is None:
        return signer.people()
    history = ledger.history("ratified", subject(start.fact["product"], "approvers"))
    last = next((one for one in reversed(history) if one.index < entry.index), None)
    if last is None:
        return signer.people()
    told = ledger.personal(last)
    return None if told is None else approvers_in(told)


def _erased(ledger: "Ledger", entry: Entry) -> bool:
    return entry.payload is not None and ledger.personal(entry) is None
