"""The workflows and forms for GitHub, as far as they can be checked without it: they are valid, and say what is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
FORMS = sorted(path for path in GITHUB.glob("ISSUE_TEMPLATE/*.yml") if path.name != "config.yml")

# Newest majors, looked up in November 2026.
ACTIONS = {"actions/checkout": "v6", "actions/setup-python": "v6", "actions/upload-artifact": "v7"}

pytestmark = pytest.mark.skipif(not GITHUB.is_dir(), reason="an sdist has no .github")


def jobs(path: Path) -> dict[str, dict]:
    return yaml.safe_load(path.read_text("utf-8"))["jobs"]


def steps():
    """Every step of every job."""
    return [step for path in WORKFLOWS for job in jobs(path).values() for step in job["steps"]]


def test_there_are_a_workflow_and_two_forms():
    assert [path.name for path in WORKFLOWS] == ["tests.yml"]
    assert [path.name for path in FORMS] == ["bug.yml", "feature.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_triggers_few_permissions_and_bounded_jobs(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["name"]
    assert set(workflow[True]) <= {"push", "pull_request", "workflow_dispatch"}  # YAML 1.1 reads `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert set(job) <= {"name", "runs-on", "timeout-minutes", "strategy", "env", "steps"}, name
        assert 0 < job["timeout-minutes"] <= 90


def test_each_step_runs_a_command_or_an_action_of_a_known_version():
    for step in steps():
        assert ("run" in step) != ("uses" in step), step
        assert set(step) <= {"name", "run", "uses", "with", "shell", "if"}
        if "uses" in step:
            action, _, version = step["uses"].partition("@")
            assert ACTIONS[action] == version


def test_every_system_runs_every_python_that_the_package_names():
    matrix = jobs(GITHUB / "workflows" / "tests.yml")["test"]["strategy"]["matrix"]
    pythons = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    assert matrix == {"os": ["ubuntu-latest", "macos-latest", "windows-latest"], "python": pythons}
    assert f">={pythons[0]}" == PROJECT["requires-python"]


def test_matrix_values_that_are_used_are_defined():
    for path in WORKFLOWS:
        for job in jobs(path).values():
            used = set(re.findall(r"\bmatrix\.(\w+)", yaml.safe_dump(job)))
            assert used == set(job.get("strategy", {}).get("matrix", {}))


def test_the_extras_that_are_installed_exist():
    extras = {
        extra
        for step in steps()
        for names in re.findall(r"\.\[([\w,]+)\]", step.get("run", ""))
        for extra in names.split(",")
    }
    assert "dev" in extras
    assert extras <= set(PROJECT["optional-dependencies"])


def test_the_checks_are_those_of_make_check():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    target = re.search(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert target
    commands = [line.strip().removeprefix("$(BIN)/") for line in target[1].splitlines()]
    run = [step["run"] for step in jobs(GITHUB / "workflows" / "tests.yml")["check"]["steps"] if "run" in step]
    assert run[1:] == commands


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_is_one_that_github_takes(path):
    form = yaml.safe_load(path.read_text("utf-8"))
    assert set(form) <= {"name", "description", "title", "labels", "body"}
    assert form["name"]
    assert form["description"]
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    for part in form["body"]:
        assert part["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
        assert set(part) <= {"type", "id", "attributes", "validations"}
        assert part["attributes"]["value" if part["type"] == "markdown" else "label"]


def test_contact_links_are_complete():
    config = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "config.yml").read_text("utf-8"))
    assert set(config) == {"blank_issues_enabled", "contact_links"}
    for link in config["contact_links"]:
        assert set(link) == {"name", "url", "about"}
        page = re.fullmatch(r"https://github\.com/mmsearch/mmsearch/blob/main/(.+)", link["url"])
        assert page
        assert (ROOT / page[1]).exists()
