"""The documentation names only what exists: files, anchors, commands, options, settings, triggers, parameters, questions."""

import ast
import re
import shlex
import tomllib
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import click
import pytest

from app.cli import weald
from app.search.controls import CONTROLS
from app.search.params import COMMON, PARAMETERS
from app.search.parse import Parser
from app.settings import documented_keys, load_settings
from app.sources import SourceRegistry
from app.store.contract import KINDS
from app.web.operations.table import OPERATIONS
from mappers.hl7v2 import er7
from mappers.hl7v2.errors import Er7Error
from mappers.hl7v2.messages import SUPPORTED, adt_event
from matching import caps
from matching.blocking import FAMILIES
from matching.comparisons import LEVEL_NAMES
from matching.model import RIVALS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted((ROOT / "docs").rglob("*.md"))
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")


def text(name):
    return (ROOT / name).read_text("utf-8")


def prose(page):
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def blocks(page, *languages):
    return [body for language, body in FENCE.findall(page.read_text("utf-8")) if language in languages]


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table(name, mark):
    """The rows of the table between the comments ``mark`` and ``end of mark``, cells stripped, head left out."""
    body = re.search(rf"<!-- {mark}:.*?-->(.*?)<!-- end of {mark} -->", text(name), re.DOTALL)[1]
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in body.strip().splitlines()]
    return rows[2:]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_to_a_page_and_an_anchor_that_exist(page):
    for target in LINK.findall(prose(page)):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def spoken(page):
    """What a page says in code: its inline code, and each line of its shell blocks, continued lines joined."""
    lines = [line.strip() for body in blocks(page, "sh") for line in body.replace("\\\n", " ").splitlines()]
    return [*CODE.findall(prose(page)), *lines]


def command_of(words):
    """The click command that these words name, and the words after it."""
    command, context = weald, click.Context(weald)
    rest = list(words)
    while rest and isinstance(command, click.Group) and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        assert found is not None, f"weald has no command {' '.join(words)}"
        command, rest = found, rest[1:]
    return command, rest


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_and_option_that_is_named_exists(page):
    for line in spoken(page):
        found = re.search(r"(?:^|[ /])weald ((?:--?)?[a-z].*)", line)
        if not found or line.startswith(("git ", "pip ")):
            continue
        words = shlex.split(found[1].split(" | ")[0].split(" > ")[0])
        alternatives = words[1].split("|") if len(words) > 1 and "|" in words[1] and words[1].islower() else [None]
        for one in alternatives:
            command, rest = command_of(words if one is None else [words[0], one, *words[2:]])
            options = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
            for word in rest:
                if word.startswith("--"):
                    assert word.partition("=")[0] in options, f"{line}: {word}"


def test_every_command_is_explained_somewhere():
    said = "\n".join("\n".join(spoken(page)) for page in PAGES)
    context = click.Context(weald)
    for name in weald.list_commands(context):
        command = weald.get_command(context, name)
        names = [f"{name} {sub}" for sub in command.list_commands(context)] if isinstance(command, click.Group) else [name]
        for full in names:
            assert f"weald {full}" in said, full


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_recipe_of_make_that_is_named_exists(page):
    recipes = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    named = {found for line in spoken(page) for found in re.findall(r"^make ([a-z-]+)", line)}
    assert named <= recipes


@pytest.mark.parametrize("page", [page for page in PAGES if page not in DECISIONS], ids=lambda page: page.name)
def test_every_setting_that_is_named_exists(page):
    keys = set(documented_keys())
    tables = {key.rpartition(".")[0] for key in keys} | {key.partition(".")[0] for key in keys}
    heads = {key.partition(".")[0] for key in keys if "." in key}
    for code in CODE.findall(prose(page)):
        found = re.fullmatch(r"\[?([a-z_]+(?:\.[a-z0-9_<>…]+)+)\]?(?: = .*)?", code)
        if found and found[1].partition(".")[0] in heads:
            key = found[1].replace("…", "<code>")
            assert key in keys | tables or any(one.startswith(f"{key}.") for one in keys), code


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_piece_of_a_settings_file_is_toml_with_known_keys(page):
    keys = {re.sub(r"<code>", "*", key) for key in documented_keys()}
    for body in blocks(page, "toml"):
        for path in _leaves(tomllib.loads(body), ()):
            assert any(_is_key(path, key.split(".")) for key in keys), path


def _leaves(value, path):
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    else:
        yield path


def _is_key(path, key):
    """Whether a path of a file is that key, or an entry of a table that is one key."""
    return len(path) >= len(key) and all(wanted in ("*", part) for wanted, part in zip(key, path, strict=False))


def test_the_trigger_table_is_the_code():
    actions = {row[0]: tuple(row[2:]) for row in table("docs/connecting-a-feed.md", "triggers")}
    visit = {None: "-", "": "as it is"}
    assert actions == {name: (one.action, one.rank or "-", visit.get(one.visit, one.visit)) for name, one in SUPPORTED.items()}


def test_the_changelog_names_the_triggers():
    named = set(re.findall(r"\bA\d\d\b", text("CHANGELOG.md")))
    assert {name for name, one in SUPPORTED.items() if one.action != "none"} <= named


def test_every_search_parameter_is_listed_under_its_type_and_kind():
    page = text("docs/fhir-api.md")
    common = {parameter.name for parameter in COMMON}
    for heading, parameters in {"Every type": COMMON, **{name: own.values() for name, own in PARAMETERS.items()}}.items():
        section = re.search(rf"^### {heading}\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL)[1]
        rows = re.findall(r"^\| (token|string|date|reference|uri) \| (.+) \|$", section, re.MULTILINE)
        listed = {(kind, name) for kind, names in rows for name in CODE.findall(names)}
        wanted = {(parameter.type, parameter.name) for parameter in parameters}
        assert listed == {pair for pair in wanted if heading == "Every type" or pair[1] not in common}, heading


def test_every_control_of_a_search_is_explained():
    page = text("docs/fhir-api.md")
    assert [name for name in CONTROLS if f"`{name}`" not in page] == []


def test_the_operations_table_is_the_code():
    rows = {(row[0].strip("`"), row[1]) for row in table("docs/fhir-api.md", "operations")}
    assert rows == {(f"{one.type}/{'<id>/' if one.instance else ''}${one.name}", one.method) for one in OPERATIONS}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_search_that_is_shown_is_taken(page):
    parser = Parser("http://127.0.0.1:8080/fhir", "https://weald.example/fhir", 0)
    for url in re.findall(r"http://127\.0\.0\.1:8080/fhir/[^'\"\s)`]+\?[^'\"\s`]+", "\n".join(blocks(page, "sh"))):
        if "2024-13" in url or "_page" in url:
            continue
        parts = urlsplit(url)
        parser.search(parts.path.removeprefix("/fhir/"), parse_qsl(parts.query))


def test_every_message_that_is_shown_does_what_its_page_says():
    registry = SourceRegistry(load_settings(env={"WEALD_MODE": "sample"}))
    source = registry.by_code("RTK-PAS")
    outcomes = {}
    for body in blocks(ROOT / "docs" / "connecting-a-feed.md", "sh"):
        for segments, name in re.findall(r"printf '%s\\r' \\\n((?: +'[^']+' \\\n| +'[^']+' )+) *> ([\w\-]+)\.hl7", body):
            raw = "".join(f"{segment}\r" for segment in re.findall(r"'([^']+)'", segments)).encode()
            try:
                outcomes[name] = adt_event(er7.read(raw), registry.context(source, "2027-01-01T00:00:00Z")).action
            except Er7Error as error:
                outcomes[name] = f"{error.acknowledgement} {error.hl7_code}"
    assert outcomes == {"bea-a28": "update", "bea-a31": "update", "bea-a40": "merge", "a43": "AR 201", "no-number": "AE 101"}


def test_the_table_of_levels_is_the_code():
    listed = {field: tuple(filter(None, row[1:])) for row in table("docs/matching.md", "levels") for field in row[0].split(", ")}
    assert listed == LEVEL_NAMES


def test_every_veto_cap_rival_and_key_is_explained():
    page = text("docs/matching.md")
    source = ast.parse(text("matching/caps.py"))
    calls = [node for node in ast.walk(source) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Cap"]
    rules = {(node.args[0].value, node.args[1].value) for node in calls}
    for rule, grade in rules:
        assert f"| `{rule}` | {grade} |" in page
    for veto in (caps.TWO_NUMBERS, caps.PSEUDO_PERSON, caps.NOT_SAME):
        assert f"| `{veto}` |" in page
    assert all(f"| {rival} |" in page for rival in RIVALS)
    assert [family for family in FAMILIES if not re.search(rf"\b{family}\b", page)] == []


def test_every_question_to_stewards_is_explained():
    kinds = set()
    for path in (ROOT / "app" / "ingest").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open_review" and isinstance(node.args[1], ast.Constant):
                kinds.add(node.args[1].value)
            if isinstance(node, ast.Tuple) and len(node.elts) == 3 and getattr(node.elts[0], "id", "") == "edge" and isinstance(node.elts[1], ast.Constant):
                kinds.add(node.elts[1].value)
    assert len(kinds) > 10
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in text("docs/matching.md")] == []


def test_every_kind_of_document_is_explained():
    rows = re.findall(r"^\| `([a-z-]+)` \|", text("docs/store.md"), re.MULTILINE)
    assert set(rows) == {kind.name for kind in KINDS}


def test_decision_records_are_numbered_once_and_titled():
    numbers = [path.name[:4] for path in DECISIONS]
    assert len(set(numbers)) == len(numbers)
    for path in DECISIONS:
        assert path.read_text("utf-8").startswith(f"# {int(path.name[:4])}. "), path.name


def test_every_decision_record_that_code_names_exists():
    numbers = {path.name[:4] for path in DECISIONS}
    for folder in ("app", "mappers", "matching", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            assert set(re.findall(r"docs/adr/(\d{4})", path.read_text("utf-8"))) <= numbers, path


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_module_that_is_named_exists(page):
    for code in CODE.findall(prose(page)):
        if re.fullmatch(r"(app|mappers|matching|tests|fixtures|docs)/[\w/.\-]+", code) and "NNNN" not in code:
            assert (ROOT / code.split(".SUPPORTED")[0]).exists() or list(ROOT.glob(f"{code}*")), code
