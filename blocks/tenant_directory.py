"""Where the tenants come from: a YAML file. Read anew at every question, so that a changed window counts at once.
(`tenant_sql.py` and `tenant_http.py` ask elsewhere.)
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, Field

from stationmaster.blocks.calendars import Found, load_calendars
from stationmaster.blocks.tenant_copies import Known
from stationmaster.domain.documents import Document, check_directory, read
from stationmaster.domain.errors import InputError
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory, Tenant


class YamlDirectory(BaseModel):
    """Tenants in a YAML file. A product has one tenants block, of one of the three types."""

    path: str = Field(description="The file.", examples=["/etc/stationmaster/tenants.yaml"])

    def read(self, product: Product | None = None) -> Directory:
        """The tenants, checked against the product's rings when it is given.

        Raises:
            InputError: the file is missing or not text.
            DocumentError: it is wrong; every problem with its line.
        """
        return self.look(product).directory

    def look(self, product: Product | None = None, *, accept: bool = False) -> Known:  # noqa: ARG002 - a file is believed
        """The same with the lines; a file is as old as the question. Errors as `read`."""
        document = self._document()
        if product is not None:
            check_directory(product, document)
        return Known(document)

    @property
    def calendar_folder(self) -> Path:
        """Where the calendar files are that tenants name: beside the file."""
        return Path(self.path).parent

    def calendars_of(self, tenants: Iterable[Tenant]) -> dict[str, Found]:
        """Tenant to its calendars, or to the reason why it has none."""
        return load_calendars(tenants, self.calendar_folder, Path(self.path).name)

    def _document(self) -> Document[Directory]:
        try:
            text = Path(self.path).read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"the tenant directory cannot be read: {error.strerror}",
                file=self.path,
                hint="set `path` in the tenant-directory block",
            ) from None
        except UnicodeDecodeError as error:
            raise InputError(
                f"the tenant directory is not UTF-8: byte {error.start}", file=self.path, hint="save it as UTF-8"
            ) from None
        return read(Directory, text, self.path)
