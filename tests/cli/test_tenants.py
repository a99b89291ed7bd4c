"""`tenants …`: the directory beside what the ledger says each tenant runs."""

from tests.cli.conftest import Desk


def test_list_tells_what_each_runs_and_whether_it_may_be_touched(desk: Desk) -> None:
    desk.reach("deployed")
    found = desk.run("tenants", "list", "--json").json["tenants"]
    assert [(one["id"], one["version"], one["instance"], one["window"]) for one in found] == [
        ("acme", "2.0.0", "cloud", "open"),
        ("birch", "1.0.0", "cloud", "open"),
        ("cedar", "1.0.0", "cedar", "open"),
    ]
    assert found[0]["release"] == "r2"
    assert [line.split()[0] for line in desk.run("tenants", "list").out.splitlines()][1:] == ["acme", "birch", "cedar"]


def test_show_is_one_tenant_and_a_misspelt_one_gets_the_nearest(desk: Desk) -> None:
    found = desk.run("tenants", "show", "cedar", "--json")
    assert (found.code, found.json["id"], found.json["since"]) == (0, "cedar", "2026-11-23T08:00:00Z")
    assert "the window of cedar is open" in desk.run("tenants", "show", "cedar").out
    desk.run("tenants", "show", "cedra", "--json").refused(2, "unknown_tenant", "did you mean 'cedar'?")


def test_a_directory_that_is_wrong_names_the_line(desk: Desk) -> None:
    (desk.root / "tenants.yaml").write_text("tenants:\n  - {id: acme, name: Acme, rnig: pilot}\n")
    found = desk.run("tenants", "list", "--json")
    found.refused(2, "document", "rnig", "tenants.yaml")
    assert found.json["error"]["line"] == 2
    (desk.root / "tenants.yaml").unlink()
    desk.run("tenants", "list", "--json").refused(2, "input", "tenant directory")
