"""What surrounds the code is well-formed: workflows, issue forms, citation, model card, site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import siren_cli
from siren_cli.registry.manifest import read_manifest

ROOT = Path(__file__).resolve().parent.parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def read(path: Path) -> dict[str, Any]:
    """Reads a YAML file; YAML 1.1 takes the key `on` for a boolean."""
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return {"on" if key is True else key: part for key, part in value.items()}


def steps(workflow: Path) -> Iterator[dict[str, Any]]:
    """Yields all steps of a workflow."""
    for job in read(workflow)["jobs"].values():
        yield from job["steps"]


def front_matter(document: Path) -> dict[str, Any]:
    """Reads the YAML before a document."""
    found = re.match(r"---\n(.*?)^---\n", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found, "no front matter"
    value = yaml.safe_load(found[1])
    assert isinstance(value, dict)
    return value


def test_there_are_three_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["check", "nightly", "release"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_well_formed_and_may_write_nothing_by_default(workflow: Path) -> None:
    content = read(workflow)
    assert {"name", "on", "permissions", "jobs"} <= set(content)
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        assert {"runs-on", "timeout-minutes", "steps"} <= set(job)
    for step in steps(workflow):
        assert ("run" in step) != ("uses" in step)
        assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w./-]+@[\w./-]+", step["uses"])


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_the_make_targets_of_a_workflow_exist(workflow: Path) -> None:
    named = {target for step in steps(workflow) for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}
    assert named
    assert named <= TARGETS


def test_a_pull_request_is_checked_on_three_systems_and_two_pythons() -> None:
    content = read(ROOT / ".github" / "workflows" / "check.yml")
    assert "pull_request" in content["on"]
    jobs = content["jobs"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == jobs["others"]["strategy"]["matrix"]["python"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == ["3.10", "3.13"]
    systems = {name.partition("-")[0] for name in jobs["others"]["strategy"]["matrix"]["os"]}
    assert systems == {"macos", "windows"}
    commands = {step.get("run") for step in steps(ROOT / ".github" / "workflows" / "check.yml")}
    assert {"make lint", "make types", "make test", "make docs"} <= commands


def test_folders_and_files_that_workflows_name_exist() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    named = set(re.findall(r"\btests/[\w./-]+", text))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_a_release_is_published_without_a_token_and_attested() -> None:
    content = read(ROOT / ".github" / "workflows" / "release.yml")
    assert list(content["on"]) == ["push"]
    assert content["on"]["push"] == {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}
    publish = content["jobs"]["publish"]
    assert publish["needs"] == "build"
    assert publish["permissions"]["id-token"] == publish["permissions"]["attestations"] == "write"
    actions = [step["uses"].partition("@")[0] for step in publish["steps"] if "uses" in step]
    assert actions.index("actions/attest-build-provenance") < actions.index("pypa/gh-action-pypi-publish")
    assert "password" not in str(publish)


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_well_formed(form: Path) -> None:
    content = read(form)
    assert {"name", "description", "body"} <= set(content)
    identifiers = [field["id"] for field in content["body"] if field["type"] != "markdown"]
    assert len(set(identifiers)) == len(identifiers)
    assert {field["type"] for field in content["body"]} <= {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    for field in content["body"]:
        assert "value" in field["attributes"] if field["type"] == "markdown" else "label" in field["attributes"]


def test_a_report_of_a_fault_asks_for_version_model_system_and_file() -> None:
    fields = {field.get("id"): field for field in read(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")["body"]}
    assert {"version", "model", "system", "file"} <= set(fields)
    assert all(fields[name]["validations"]["required"] for name in ("version", "model", "system"))


def test_dependabot_watches_actions_and_packages() -> None:
    content = read(GITHUB / "dependabot.yml")
    assert content["version"] == 2
    assert {update["package-ecosystem"] for update in content["updates"]} == {"github-actions", "pip"}


def test_the_citation_has_what_the_format_requires() -> None:
    content = read(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(content)
    assert content["cff-version"] == "1.2.0"
    assert content["type"] == "software"
    assert all("name" in author or "family-names" in author for author in content["authors"])
    assert content["version"] == siren_cli.__version__


def test_the_model_card_has_the_hubs_front_matter() -> None:
    card = front_matter(ROOT / "weights" / "README.md")
    assert {"license", "language", "tags", "pipeline_tag", "datasets", "model_name"} <= set(card)
    assert card["license"] == "mit"
    assert card["model_name"] == read_manifest()["default"]
    text = (ROOT / "weights" / "README.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert {"Intended use", "Out of scope", "Bias and limits"} <= headings


def test_the_log_of_training_runs_names_every_file() -> None:
    folder = ROOT / "weights" / "log"
    linked = re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert sorted(linked) == sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")


def test_the_log_ends_with_the_model_that_ships() -> None:
    rows = re.findall(
        r"^\| \[\d+\]\([\w-]+\.md\) \| [\d-]+ \| `([0-9a-f]{4})`",
        (ROOT / "weights" / "log" / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    manifest = read_manifest()
    assert rows[-1] == {model["name"]: model["id"] for model in manifest["models"]}[manifest["default"]]


def pages(part: Any) -> Iterator[str]:
    """Yields the documents that the navigation of the site names."""
    if isinstance(part, str):
        yield part
    else:
        for inner in part if isinstance(part, list) else part.values():
            yield from pages(inner)


def test_the_site_names_documents_that_exist_and_all_of_docs() -> None:
    named = list(pages(read(ROOT / "mkdocs.yml")["nav"]))
    assert len(set(named)) == len(named)
    assert [name for name in named if not (ROOT / name).is_file()] == []
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= set(named)
