"""Imports point one way, heavy ones happen late, and what is public is there."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_bench

MODULES = sorted(name for _, name, _ in pkgutil.iter_modules(mnist_bench.__path__) if not name.startswith("_"))

# From left to right: none may import, directly or by way of others, one that stands after it. A module that is
# not in the list only has to close no circle.
FLOW = [
    *("files", "archives", "mnist", "digits", "data"),
    *("configs", "records", "validations", "backend", "labs", "masks", "optimizers", "fused", "engines", "environment"),
    *("runner", "processes", "workers", "campaign"),
    *("faults", "ratios", "abrecords", "abworker", "abprocess", "ab", "calibration"),
    *("trials", "gate", "plots", "report", "console", "abconsole", "replay"),
    *("space", "sweeprecords", "storage", "study", "sweep", "sweepworkers"),
    *("sweepresults", "sweepplots", "sweepreport"),
    *("versions", "versionrecords", "wanted", "installs", "measuring", "matrix", "pairrecords", "pairs"),
    *("notes", "versionbits", "comparison", "sides", "bisection", "figures", "trackers"),
    *("collection", "versionmatrix", "bitgroups", "regressions", "headline", "versionfacts"),
    *("versionplots", "versionpage", "versiondocs"),
    "cli",
]
# The faces: nothing but each other imports them. The command's parts know one another.
SHELLS = {
    *("cli", "cli_ab", "cli_compare", "cli_export", "cli_gate", "cli_lab", "cli_matrix", "cli_report", "cli_sweep"),
    "cli_timings",
    "pytest_plugin",
}
LEAVES = [
    *("archives", "backend", "files", "interpreters", "oracle", "processes"),
    *("sheet", "statistics", "storage", "timing"),
]
JUDGES = [
    *("facts", "gate", "plots", "report", "statistics", "intervals", "power", "sequential"),
    *("ratios", "abrecords", "calibration"),
    *("timingruns", "timinggate", "timingstore"),
    *("sweepresults", "sweepplots", "sweepreport"),
    *("versions", "versionrecords", "versionbits", "comparison", "bisection", "figures", "trackers"),
    *("pairrecords", "collection", "versionmatrix", "bitgroups", "regressions", "headline", "versionfacts"),
    *("versionplots", "versionpage", "versiondocs"),
]


def find_imports(name: str) -> set[str]:
    """Return which modules of ours a module imports, at its head, inside functions, or for types."""
    tree = ast.parse(Path(mnist_bench.__path__[0], f"{name}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "mnist_bench":
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.removeprefix("mnist_bench.") if "mnist_bench." in node.module else "")
        elif isinstance(node, ast.Import):
            found.update(alias.name.removeprefix("mnist_bench.") for alias in node.names)
    return found & set(MODULES)


IMPORTS = {name: find_imports(name) for name in MODULES}


def find_reach(name: str) -> set[str]:
    """Return which modules of ours a module imports, directly or by way of others."""
    reach: set[str] = set()
    news = IMPORTS[name]
    while news:
        reach |= news
        news = set().union(*(IMPORTS[it] for it in news)) - reach
    return reach


def import_apart(code: str) -> set[str]:
    """Return the names of all modules that a fresh Python has imported after running this code."""
    code += "\nimport json, sys; print(json.dumps(list(sys.modules)), file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(answer.stderr.splitlines()[-1]))


def test_the_imports_are_found() -> None:
    """The finder sees those at the head, those inside functions and those for types: none is missed below."""
    assert {"data", "engines", "records"} <= IMPORTS["runner"]
    assert {"runner", "backend"} <= IMPORTS["workers"]
    assert "records" in IMPORTS["plots"]
    assert set(FLOW) | set(LEAVES) | set(JUDGES) <= set(MODULES)


@pytest.mark.parametrize("name", FLOW)
def test_imports_point_one_way(name: str) -> None:
    """A module knows those on its left, and none on its right."""
    later = set(FLOW[FLOW.index(name) :]) - (SHELLS if name in SHELLS else set())
    assert find_reach(name) & later == set()


@pytest.mark.parametrize("name", sorted(set(MODULES) - SHELLS))
def test_no_imports_in_a_circle(name: str) -> None:
    """No module needs itself, and none needs a face of the project."""
    assert find_reach(name) & (SHELLS | {name}) == set()


@pytest.mark.parametrize("name", LEAVES)
def test_a_leaf_imports_nothing_of_ours(name: str) -> None:
    """Leaves can be read, tested and replaced alone."""
    assert IMPORTS[name] == set()


@pytest.mark.parametrize("name", JUDGES)
def test_judges_see_only_records(name: str) -> None:
    """What judges and shows never trains: it knows no engine and no runner."""
    assert find_reach(name) & {"data", "engines", "fused", "runner", "workers", "campaign"} == set()


def test_nothing_heavy_is_imported_by_importing() -> None:
    """Every module can be imported where there is no TensorFlow, and none imports matplotlib."""
    loaded = import_apart("\n".join(f"import mnist_bench.{name}" for name in MODULES))
    assert {f"mnist_bench.{name}" for name in MODULES} <= loaded
    assert not {"tensorflow", "keras", "matplotlib", "jax", "torch"} & loaded


@pytest.mark.parametrize(
    "code",
    [
        "import mnist_bench; mnist_bench.__version__",
        "import sys; from mnist_bench.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "import sys; from mnist_bench.cli import main\ntry: main(['run', '--help'])\nexcept SystemExit: pass",
    ],
    ids=["import", "help", "run-help"],
)
def test_the_package_and_its_help_are_light(code: str) -> None:
    """They answer at once, because they import nothing that takes time."""
    heavy = {"tensorflow", "keras", "matplotlib", "numpy", "scipy", "sklearn", "rich", "jinja2", "msgspec"}
    assert import_apart(code) & heavy == set()


# Of a plugin pytest finds the hooks by their names.
@pytest.mark.parametrize("name", sorted(set(MODULES) - {"pytest_plugin"}))
def test_what_is_public_is_there(name: str) -> None:
    """Every name of `__all__` exists, once, and is no private one."""
    module = importlib.import_module(f"mnist_bench.{name}")
    names = module.__all__
    assert len(names) == len(set(names))
    assert [it for it in names if it.startswith("_") or not hasattr(module, it)] == []


def test_the_package_gives_its_public_names() -> None:
    """Names load when they are used, are those of their modules, and others are named in the error."""
    assert set(mnist_bench._HOMES) == set(mnist_bench.__all__)
    assert set(mnist_bench.__all__) | {"__version__"} == set(dir(mnist_bench))
    for name, home in mnist_bench._HOMES.items():
        assert getattr(mnist_bench, name) is getattr(importlib.import_module(f"mnist_bench.{home}"), name)
    assert mnist_bench.__version__
    with pytest.raises(AttributeError, match="module 'mnist_bench' has no attribute 'nothing'"):
        _ = mnist_bench.nothing
