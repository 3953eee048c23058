"""The house rules that a machine can check (design.md, style.md): arrows and doors, short modules, one reader of the environment.

What style asks for without enforcing it, the length of functions and the share of tests, is printed.
"""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for room in ("app", "mappers", "matching") for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

LONGEST_MODULE = 500
NAMELESS = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
CLOCKS = {"now", "utcnow", "today", "fromtimestamp", "utcfromtimestamp"}


def name(path):
    return str(path.relative_to(ROOT))


def tree(path):
    return ast.parse(path.read_text("utf-8"))


def test_the_import_contracts_hold():
    done = subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("paths", [SOURCES, TESTS], ids=["source", "tests"])
def test_no_module_is_longer_than_500_lines(paths):
    long = {name(path): lines for path in paths if (lines := len(path.read_text("utf-8").splitlines())) > LONGEST_MODULE}
    assert long == {}


def test_no_module_is_named_for_having_no_place():
    assert [name(path) for path in SOURCES if path.stem in NAMELESS or path.parent.name in NAMELESS] == []


def test_the_environment_is_read_by_the_settings_alone():
    readers = {name(path) for path in SOURCES for node in ast.walk(tree(path)) if _reads_environment(node)}
    assert readers == {"app/settings.py"}


def _reads_environment(node):
    return isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"} and isinstance(node.value, ast.Name) and node.value.id == "os"


def test_fhir_model_classes_are_named_by_their_door_alone():
    named = {
        name(path)
        for path in SOURCES
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("fhir.resources."))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fhir."))
        or (isinstance(node, ast.Import) and any(one.name.startswith("fhir.") for one in node.names))
    }
    assert named == {"mappers/fhir.py"}


def test_mappers_and_matching_read_no_clock():
    pure = [path for path in SOURCES if path.relative_to(ROOT).parts[0] != "app"]
    assert [name(path) for path in pure for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and node.attr in CLOCKS] == []


@pytest.mark.parametrize("door", ["app.ingest.adt", "app.web.application"])
def test_a_listener_starts_without_the_libraries_that_only_work_needs(door):
    """They double the time to ready and the memory of each process (design.md, start within 2 s)."""
    program = f"import sys, {door}; print([name for name in ('fhir', 'hl7apy', 'mongoengine', 'pydicom') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def functions(path):
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(function):
    """Lines of a function from its ``def`` on, its docstring left out."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1 if documented else 0)


def code_lines(paths):
    return sum(bool(line.strip()) for path in paths for line in path.read_text("utf-8").splitlines())


def test_function_lengths_and_the_share_of_tests_are_printed(capsys):
    lengths = sorted(length(function) for path in SOURCES for function in functions(path))
    centiles = statistics.quantiles(lengths, n=100)
    source, tests = code_lines(SOURCES), code_lines(TESTS)
    with capsys.disabled():
        print(
            f"\nfunctions: {len(lengths)}, median {statistics.median(lengths):g} lines (style: 8), 95th percentile {centiles[94]:g} (style: 35); "
            f"source {source} lines, tests {tests}, {tests / source:.2f} a line of source (style: 1.5)"
        )
    assert lengths
