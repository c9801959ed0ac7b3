"""The README is true: its graph is the compiled one, its variables and files exist, two commands do everything."""

import re
from pathlib import Path

from app.settings import Environment
from graph.build import mermaid

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_graph_in_the_readme_is_the_compiled_graph():
    drawn = re.search(r"```mermaid\n(.*?)\n```", README, re.DOTALL)
    assert drawn is not None
    assert drawn[1].strip() == mermaid().strip()


def test_every_environment_variable_is_documented_and_no_other():
    rows = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", README, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"[A-Z_]+", row)}
    assert documented == {name.upper() for name in Environment.model_fields} | {"DESK_DATA"}


def test_every_configuration_file_is_documented_and_no_other():
    shipped = {path.name for path in (ROOT / "config").glob("*.yaml")} - {"columns.example.yaml"}
    assert set(re.findall(r"`(\w+\.yaml)`", README)) == shipped


def test_every_step_of_the_graph_is_explained():
    nodes = set(re.findall(r"^\t(\w+)\(\w+\)$", mermaid(), re.MULTILINE))
    assert nodes <= set(re.findall(r"`(\w+)`", README))


def test_links_point_to_files_that_exist():
    targets = re.findall(r"\]\(([\w./-]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_first_commands_shown_are_the_two_that_do_everything():
    shown = re.search(r"```console\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    assert [line.split("#")[0].strip() for line in shown[1].strip().splitlines()] == ["$ make run", "$ make test"]
