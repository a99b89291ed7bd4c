"""OSV records that tests look parts up in."""

import json
import zipfile
from pathlib import Path
from typing import Any

HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}]


def osv(
    name: str, package: str, *, ecosystem: str = "PyPI", fixed: str = "2.0.0", modified: str = "2026-11-22T00:00:00Z",
    **more: Any,
) -> str:  # fmt: skip
    """The record `name`: every version of the package before `fixed`."""
    events = [{"introduced": "0"}, {"fixed": fixed}]
    affected = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "SEMVER" if ecosystem == "npm" else "ECOSYSTEM", "events": events}],
    }
    return json.dumps({"id": name, "modified": modified, "affected": [affected], **more})


def write_zip(path: Path, records: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in records.items():
            archive.writestr(name, text)
    return path
