"""Where the tenants come from: a YAML file. Read anew at every question, so that a changed window counts at once."""

from pathlib import Path

from pydantic import BaseModel, Field

from stationmaster.domain.documents import check_directory, read
from stationmaster.domain.errors import InputError
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory


class YamlDirectory(BaseModel):
    """Tenants in a YAML file."""

    path: str = Field(description="The file.", examples=["/etc/stationmaster/tenants.yaml"])

    def read(self, product: Product | None = None) -> Directory:
        """The tenants, checked against the product's rings when it is given.

        Raises:
            InputError: the file is missing or not text.
            DocumentError: it is wrong; every problem with its line.
        """
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
        document = read(Directory, text, self.path)
        if product is not None:
            check_directory(product, document)
        return document.value
