"""What the documents say is there, is there: links, headings, commands, settings, targets, paths and names in files."""

from __future__ import annotations

import argparse
import pkgutil
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from core.cli.main import build_parser
from core.cli.studies import load_studies
from core.icu.config import RunConfig
from core.registry.config import RegistryConfig

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE, WORKFLOW = ROOT / "Makefile", ROOT / ".github" / "workflows" / "ci.yml"
MOST_LINES = 150  # of README
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))]
DOCUMENTS = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "data" / "README.md"]
BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
VERB = re.compile(r"python -m core ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")
SETTING = re.compile(r"--set ([a-z]+)\.(\w+)=")
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")
NAME_IN_FILE = re.compile(r"`(\w+)(?:\([^`]*\))?` (?:of|in)\s+`([\w/.]+\.py)`")
MODULE = re.compile(r"(?:core|tests)(?:\.\w+)+")
PLACEHOLDER = "NAME"  # as in core/agents/NAME.py: the folder must exist

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def blocks(document: Path) -> list[str]:
    """Lines of all fenced blocks, a continued one as a whole, without comments."""
    lines = "\n".join(BLOCK.findall(text_of(document))).replace("\\\n", " ").splitlines()
    return [line.split(" # ")[0].strip() for line in lines]


def code(document: Path) -> list[str]:
    """What stands in backticks within a paragraph, over a line's end too."""
    found = re.findall(r"`([^`]+)`", BLOCK.sub("", text_of(document)))
    return [" ".join(part.split()) for part in found]


def anchors(document: Path) -> set[str]:
    """Anchors of the headings, as they are made on the web: small letters, no punctuation, dashes for blanks."""
    headings = HEADING.findall(BLOCK.sub("", text_of(document)))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


load_studies()  # each brings its verbs


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The verbs of a parser, none where it has no verbs."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(actions[0].choices) if actions else {}


def test_readme_is_short_and_leads_to_every_document() -> None:
    readme = text_of(ROOT / "README.md")
    assert len(readme.splitlines()) <= MOST_LINES
    linked = {(ROOT / target.split("#")[0]).resolve() for target in LINK.findall(readme)}
    wanted = {*PAGES, ROOT / "CHANGELOG.md", ROOT / "CITATION.cff"} - {ROOT / "README.md"}
    assert wanted <= linked, sorted(str(path) for path in wanted - linked)


@each_document
def test_links_lead_to_files_and_headings_that_are_there(document: Path) -> None:
    for target in LINK.findall(text_of(document)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.is_file(), f"{document.name} links to {target}"
        assert not anchor or anchor in anchors(file), f"{document.name} links to {target}: no such heading"


@each_document
def test_every_verb_exists(document: Path) -> None:
    verbs = verbs_of(build_parser())
    for verb, second in VERB.findall("\n".join([*blocks(document), *code(document)])):
        assert verb in verbs, f"{document.name}: python -m core {verb}"
        own = verbs_of(verbs[verb])
        assert not own or not second or second in own, f"{document.name}: python -m core {verb} {second}"


@each_document
def test_every_command_of_a_block_is_one_that_the_parser_takes(document: Path) -> None:
    for line in blocks(document):
        if line.startswith("python -m core "):
            try:
                build_parser().parse_args(shlex.split(line)[3:])
            except SystemExit:
                pytest.fail(f"{document.name}: {line}")


@each_document
def test_every_setting_exists(document: Path) -> None:
    for group, key in SETTING.findall(text_of(document)):
        groups = [
            config.model_fields[group].annotation
            for config in (RunConfig, RegistryConfig)
            if group in config.model_fields
        ]
        assert any(key in fields.model_fields for fields in groups if fields is not None), (
            f"{document.name}: {group}.{key}"
        )


@pytest.mark.parametrize("document", [*DOCUMENTS, WORKFLOW], ids=lambda path: path.name)
def test_every_target_of_make_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of(MAKEFILE), re.MULTILINE))
    if document == WORKFLOW:
        asked = re.findall(r"run: make ([a-z-]+)", text_of(document))
        assert asked == ["lint", "test"]
    else:
        asked = TARGET.findall("\n".join([*blocks(document), *code(document)]))
    assert set(asked) <= targets, f"{document.name}: make {sorted(set(asked) - targets)}"


@each_document
def test_every_path_of_the_repository_exists(document: Path) -> None:
    tops = {path.name for path in ROOT.iterdir()}
    made = tuple(text_of(ROOT / ".gitignore").split())  # what the program makes on a machine, as data/runs/
    for token in code(document):
        path = token.split(" ")[0].rstrip("/")
        inside = "/" in path and path.split("/")[0] in tops
        on_top = re.fullmatch(r"[\w.-]+\.(py|cff|md)|requirements[\w-]*\.txt|LICENSE|Makefile", path)
        if not inside and not on_top:
            continue
        if f"{path}/".startswith(made):
            continue
        file = ROOT / path
        there = file.parent.is_dir() if PLACEHOLDER in file.name else file.exists()
        assert there, f"{document.name} speaks of {path}, which is not there"


@each_document
def test_names_said_to_stand_in_a_file_stand_in_it(document: Path) -> None:
    for name, path in NAME_IN_FILE.findall(text_of(document)):
        assert re.search(rf"\b{name}\b", text_of(ROOT / path)), f"{document.name}: {name} is not in {path}"
    for token in code(document):
        if MODULE.fullmatch(token):
            pkgutil.resolve_name(token)


def test_citation_and_package_name_one_version() -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    assert re.search(rf"^version: {re.escape(project['version'])}$", text_of(ROOT / "CITATION.cff"), re.MULTILINE)


def test_the_survival_card_tells_the_error_that_was_measured() -> None:
    from pages.components.policies.advice import SURVIVAL_MET

    lines = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8").splitlines()
    (row,) = (line for line in lines if line.startswith("| advice, as given |"))
    _, _, cohorts, error, bias, held, *_ = (cell.strip() for cell in row.split("|"))
    assert f"On {cohorts} simulated cohorts" in SURVIVAL_MET
    assert f"{error} points off on average, {bias.removeprefix('+')} too high" in SURVIVAL_MET
    assert f"held the truth in {held}" in SURVIVAL_MET
