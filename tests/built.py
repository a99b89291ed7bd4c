"""Built files as products ship them, and hostile ones: by path to content, in memory."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path


def metadata(name: str, version: str) -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nA part.\n".encode()


def dist_info(name: str, version: str, folder: str = "") -> dict[str, bytes]:
    return {f"{folder}{name}-{version}.dist-info/METADATA": metadata(name, version), f"{folder}{name}/__init__.py": b""}


def zipped(files: Mapping[str, bytes], head: bytes = b"") -> bytes:
    out = io.BytesIO(head)
    out.seek(len(head))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload] # by a mode that is given
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def installed(*names: str) -> dict[str, bytes]:
    """Packages as they are installed here, below `site-packages/`."""
    found = {}
    for name in names:
        for file in distribution(name).files or ():
            path = Path(str(file.locate()))
            if ".." not in file.parts and path.suffix != ".pyc" and path.is_file():
                found[f"site-packages/{file}"] = path.read_bytes()
    return found


def bomb(size: int) -> bytes:
    """A gzip of a tar whose first header announces `size` bytes of names, and has them."""
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, size
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return out.getvalue()
