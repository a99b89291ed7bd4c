"""Which database has a tenant's data, and what may be said of it in the two files."""

import pytest

from stationmaster.domain.documents import DocumentError, check_directory, read
from stationmaster.domain.homes import Homes, place_of, recorded_as
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory
from tests.shop import PRODUCT

TENANTS = """\
tenants:
  - id: acme
    name: Acme
    ring: pilot
  - id: birch
    name: Birch
    ring: broad
"""


def with_database(*said: str) -> str:
    return PRODUCT.replace("database: {migrations: migrations}", "\n  ".join(["database:", "migrations: m", *said]))


def test_the_name_of_a_database_says_its_instance_and_whose_it_is() -> None:
    assert Homes().of("acme", "cloud") == "cloud"
    homes = Homes("t_{tenant}", {"birch": "birch_ltd"}, frozenset({"cedar"}))
    assert [homes.of("acme", "cloud"), homes.of("birch", "cloud"), homes.of("cedar", "cedar")] == [
        "cloud.t_acme", "cloud.t_birch_ltd", "cedar",
    ]  # fmt: skip
    assert (place_of("cloud.t_acme"), place_of("cloud")) == (("cloud", "t_acme"), ("cloud", None))
    assert [recorded_as(name) for name in ("stage", "stage.t_probe", "cloud.t_acme")] == [
        "stage", "stage", "cloud.t_acme",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "key", "why"),
    [
        (["schema_name: 't_{tenant}'"], "schema_name", "is of `tenancy: schema`, and this product says shared"),
        (["tenancy: database", "with_schemas: [x]"], "with_schemas", "and this product says database"),
        (["parallel: 2"], "parallel", "leave `parallel` out"),
        (["tenancy: schema", "schema_name: tenant"], "schema_name", "pattern"),
        (["tenancy: schemas"], "tenancy", "'schemas' is not known"),
        (
            ["tenancy: schema", "rehearsal: {dump: /x, anonymised: true}"],
            "rehearsal",
            "`dump_schema`: say which tenant's schema the dump has",
        ),
        (["rehearsal: {dump: /x, dump_schema: t, anonymised: true}"], "rehearsal", "is of `tenancy: schema`"),
    ],
)
def test_what_is_wrong_in_the_products_file_is_told_with_its_line(said: list[str], key: str, why: str) -> None:
    text = with_database(*said)
    with pytest.raises(DocumentError) as wrong:
        read(Product, text, "stationmaster.yaml")
    assert why in str(wrong.value)
    assert [wrong.value.line] == [
        n for n, line in enumerate(text.splitlines(), 1) if line.strip().startswith(f"{key}:")
    ]
    assert key != "tenancy" or wrong.value.hint == "did you mean 'schema'?"


@pytest.mark.parametrize(
    ("tenancy", "right", "wrong", "line", "why"),
    [
        ("shared", "    ring: broad\n", "    ring: broad\n    database: x\n", 8, "the product says `tenancy: shared`"),
        ("schema", "    ring: broad\n", "    ring: broad\n    database: acme\n", 8, "'acme' has the schema 'acme'"),
        ("database", "id: birch", f"id: {'b' * 63}\n    database: acme", 6, "'acme' has the database 'acme' already"),
        ("schema", "    ring: broad\n", "    ring: broad\n    database: a.b\n", 8, "pattern"),
        ("schema", "    ring: broad\n", "    ring: broad\n    databse: a\n", 8, "did you mean 'database'?"),
    ],
)
def test_what_is_wrong_in_the_directory_is_told_with_its_line(
    tenancy: str, right: str, wrong: str, line: int, why: str
) -> None:
    product = read(Product, with_database(f"tenancy: {tenancy}"), "stationmaster.yaml").value
    with pytest.raises(DocumentError) as refused:
        check_directory(product, read(Directory, TENANTS.replace(right, wrong), "tenants.yaml"))
    assert why in str(refused.value)
    assert refused.value.line == line


def test_a_name_that_postgresql_would_cut_is_refused() -> None:
    product = read(Product, with_database("tenancy: schema", "schema_name: 't_{tenant}'"), "stationmaster.yaml").value
    text = TENANTS.replace("id: birch", f"id: {'b' * 62}")
    with pytest.raises(DocumentError, match="would cut the name of its schema") as refused:
        check_directory(product, read(Directory, text, "tenants.yaml"))
    assert refused.value.hint == "give it a shorter one in `database`"
    check_directory(product, read(Directory, text.replace("ring: broad", "ring: broad\n    database: b"), "t.yaml"))
