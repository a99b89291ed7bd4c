"""The scans of a built file and of the change it comes from: parts, vulnerabilities, secrets. Each gives a fact for the
ledger, a report for the evidence, and what refuses the release.

Nothing here needs the network, and nothing of the product is run.
"""

from stationmaster.blocks.scan_given import Answer, Given
from stationmaster.blocks.scan_inventory import inventory, sbom
from stationmaster.blocks.scan_lookup import vulnerabilities
from stationmaster.blocks.scan_secrets import secrets


def scan(given: Given) -> dict[str, Answer]:
    """All three, by the names under which the ledger has them.

    Raises:
        SbomUnusableError, BaselineUnreadableError: a file of the product is wrong.
        AdvisoriesUnreadableError: the database cannot be used.
    """
    known = inventory(given)
    return {"sbom": sbom(known), "vulnerabilities": vulnerabilities(given, known), "secrets": secrets(given)}
