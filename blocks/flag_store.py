"""Publishes the flagd file that the product's instances read. The switch is one atomic replace.

Which flag is on for whom is the product's file's; typed records and kill switches come with their own subject.
"""

import json
from pathlib import Path

from pydantic import BaseModel, Field

from stationmaster.blocks import space
from stationmaster.blocks.durable import write
from stationmaster.domain.errors import InputError, OutsideError


class FlagFileError(InputError):
    """The product's flag file is not flagd JSON."""

    code = "flag_file"


class FileFlags(BaseModel):
    """Flags in a file that the product's instances watch."""

    path: str = Field(description="The published file.", examples=["/var/lib/orderdesk/flags.json"])

    def publish(self, text: str, name: str) -> None:
        """Make `text` the flags in force; publishing the same text again changes nothing.

        Raises:
            FlagFileError: not JSON with a `flags` object; nothing is published.
            NoSpaceError, OutsideError: the file cannot be written; the flags in force stay.
        """
        _check(text, name)
        target = Path(self.path)
        try:
            if not target.exists() or target.read_bytes() != text.encode():
                with space.naming("the flags", target.parent, len(text.encode())):
                    write(target, text)
        except OSError as error:
            raise OutsideError(
                f"the flags cannot be published to {target}: {error.strerror}",
                hint="check the flag-store block's path; the flags in force are unchanged",
            ) from error

    def read(self) -> str | None:
        """The flags in force; None when nobody published any.

        Raises:
            OutsideError: the file cannot be read.
        """
        try:
            return Path(self.path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise OutsideError(
                f"the flags cannot be read from {self.path}: {error}", hint="check the flag-store block's path"
            ) from error


def _check(text: str, name: str) -> None:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise FlagFileError(f"not JSON: {error.msg}", file=name, line=error.lineno) from None
    if not isinstance(document, dict) or not isinstance(document.get("flags"), dict):
        raise FlagFileError("a flagd file has an object `flags`", file=name, hint="see flagd's schema")
