"""Imports point one way, heavy ones happen late, and what is public is there."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_bench

PACKAGE = Path(mnist_bench.__path__[0])
WINGS = ("records", "stats", "training", "checks", "show", "timing", "versions", "own", "sweep", "cli")
# Next to the wings: the command's entry and the plugin, which may use every wing and which nothing imports.
FACES = {"__main__", "pytest_plugin"}
# A wing may use those before it in WINGS, but for these.
FOREIGN = {"stats": {"records"}, "sweep": {"stats", "checks", "timing", "versions", "own"}, "show": {"stats"}}
MOST_MODULES = 16  # of one folder: as many as a reader takes in at a glance

# What judges: it sees records only, so that it runs in milliseconds and wherever there is no TensorFlow.
JUDGES = (
    *("checks.names", "checks.records", "checks.known", "checks.baselines", "checks.accuracy"),
    *("timing.records", "timing.store", "timing.gate", "timing.history"),
    *("timing.ab.records", "timing.ab.verdict", "timing.ab.calibration"),
    "versions.report",
)
# What runs in an environment under test: it needs the standard library, NumPy and TensorFlow alone. The pool and the
# campaign are the parent's.
MEASURED = (
    "records",
    "training",
    "checks.layers",
    "checks.agreement",
    "checks.names",
    "checks.records",
    "timing.ab.worker",
    *("own.records", "own.data", "own.settings", "own.file", "own.model", "own.figures", "own.trainer", "own.serve"),
    *("own.layers", "own.stages", "own.checks", "own.arithmetic", "own.checking"),
)
PARENTS = (
    *("records.schema", "records.serial", "records.strict", "training.campaign"),
    *(f"training.workers.{name}" for name in ("cluster", "events", "pool", "station", "worker")),
)
TRAINERS = {
    *("training.data.dataset", "training.engines", "training.fused", "training.runner"),
    *("training.company", "training.fusion", "training.workers.pool", "training.workers.worker", "training.campaign"),
}


def list_modules(folder: Path = PACKAGE) -> dict[str, Path]:
    """Return the path of every module below a package's folder by its name there; of a package, its `__init__`.

    The models of the docs that the wheel ships are no modules: they are read as files.
    """
    found = (path for path in folder.rglob("*.py") if not path.parent.name.startswith("shipped_"))
    paths = {path.relative_to(folder).with_suffix(""): path for path in found}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in sorted(paths.items())}


MODULES = {name: path for name, path in list_modules().items() if name != "__init__"}


def find_imports(path: Path, modules: dict[str, Path] = MODULES) -> set[str]:
    """Return which modules of ours a file imports, at its head, inside functions, or for types."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.update({str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names})
    return {name.removeprefix("mnist_bench.") for name in found} & set(modules)


@functools.cache
def list_imports() -> dict[str, set[str]]:
    """Return what each module of ours imports of ours; every module is read when the first test asks."""
    return {name: find_imports(path) for name, path in MODULES.items()}


def find_wing(name: str) -> str:
    """Return the wing that a module lies in, or its own name for one next to the wings."""
    return name.partition(".")[0]


def find_upward(name: str, imports: set[str]) -> set[str]:
    """Return which of a module's imports it may not have: those of a later wing, a foreign one or a face."""
    wing = find_wing(name)
    if wing in FACES:
        return imports & FACES
    before = WINGS[: WINGS.index(wing) + 1]
    allowed = set(before) - FOREIGN.get(wing, set())
    return {other for other in imports if find_wing(other) not in allowed}


def find_reach(name: str) -> set[str]:
    """Return which modules of ours a module imports, directly or by way of others."""
    reach: set[str] = set()
    news = list_imports()[name]
    while news:
        reach |= news
        news = set().union(*(list_imports()[other] for other in news)) - reach
    return reach


def import_apart(code: str) -> set[str]:
    """Return the names of all modules that a fresh Python has imported after running this code."""
    code += "\nimport json, sys; print(json.dumps(list(sys.modules)), file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(answer.stderr.splitlines()[-1]))


def test_the_imports_are_found(tmp_path: Path) -> None:
    """The finder sees those at the head, those inside functions and those for types: none is missed below."""
    assert {"training.data.dataset", "training.engines", "records.training"} <= list_imports()["training.runner"]
    assert {"training.runner", "training.backend"} <= list_imports()["training.workers.serve"]
    assert "records.training" in list_imports()["show.page"]
    (tmp_path / "planted.py").write_text("def f():\n    from mnist_bench.cli import app\n")
    assert find_upward("records.planted", find_imports(tmp_path / "planted.py")) == {"cli", "cli.app"}


def test_the_folders_are_the_wings() -> None:
    """Every module lies in a wing or is a face, no wing is missing, and no folder is crowded."""
    assert {find_wing(name) for name in MODULES} == set(WINGS) | FACES
    folders = [path for path in PACKAGE.rglob("*") if path.is_dir() and list(path.glob("*.py"))]
    crowded = {folder.name: len(list(folder.glob("[!_]*.py"))) for folder in folders}
    assert {name: count for name, count in crowded.items() if count > MOST_MODULES} == {}


@pytest.mark.parametrize("name", [name for name, path in MODULES.items() if path.name == "__init__.py"])
def test_a_folder_imports_nothing(name: str) -> None:
    """A wing's `__init__` is a docstring: to import a module of the measured side loads no other module."""
    assert len(ast.parse(MODULES[name].read_text(encoding="utf-8")).body) == 1


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_one_way(name: str) -> None:
    """A module knows its own wing and those before it."""
    assert find_upward(name, list_imports()[name]) == set()


@pytest.mark.parametrize("name", MODULES)
def test_no_imports_in_a_circle(name: str) -> None:
    """No module needs itself."""
    assert name not in find_reach(name)


def test_only_the_entry_imports_the_command() -> None:
    """The parts of the command know what they share, and no part knows another; a family knows its own.

    What the parts of one family share is its module `kept`.
    """
    parts = {name: list_imports()[name] for name in MODULES if name.startswith("cli.") and name != "cli.app"}
    for family in [name for name in parts if name.endswith((".family", ".command"))]:
        folder = family.rpartition(".")[0]
        parts[family] = {name for name in parts[family] if name != folder and not name.startswith(f"{folder}.")}
    shared = {"cli", "cli.families", "cli.given", "cli.options", "cli.shell"}
    others = {
        name: {other for other in found if find_wing(other) == "cli"} - shared - {f"{name.rpartition('.')[0]}.kept"}
        for name, found in parts.items()
    }
    assert {name: found for name, found in others.items() if found} == {}
    assert [name for name, found in list_imports().items() if "cli.app" in found] == ["__main__"]


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(JUDGES)])
def test_judges_see_only_records(name: str) -> None:
    """What judges and shows never trains: it knows no engine, no runner and no pool."""
    assert find_reach(name) & TRAINERS == set()


@pytest.mark.parametrize("planted", [None, "records.serial"])
def test_the_measured_side_installs_nothing(planted: str | None) -> None:
    """Its modules import where there is nothing but the standard library and NumPy; a judging one does not."""
    names = [name for name in MODULES if name.startswith(MEASURED) and not name.startswith(PARENTS)]
    assert {"records.training", "training.runner", "checks.layers.serve", "timing.ab.worker"} <= set(names)
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, *_):
        if name.partition(".")[0] not in {{*sys.stdlib_module_names, "numpy", "mnist_bench"}}:
            raise ImportError(f"refused: {{name}}")
sys.meta_path.insert(0, Refuse())
import importlib
for name in {[*names, *([planted] if planted else [])]}:
    importlib.import_module("mnist_bench." + name)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ("refused: msgspec" in answer.stderr) == bool(planted), answer.stderr
    assert answer.returncode == (1 if planted else 0), answer.stderr


def test_nothing_heavy_is_imported_by_importing() -> None:
    """Every module can be imported where there is no TensorFlow, and none imports matplotlib."""
    names = set(MODULES) - {"__main__"}
    loaded = import_apart("\n".join(f"import mnist_bench.{name}" for name in names))
    assert {f"mnist_bench.{name}" for name in names} <= loaded
    assert not {"tensorflow", "keras", "matplotlib", "jax", "torch", "distributed"} & loaded


@pytest.mark.parametrize(
    "code",
    [
        "import mnist_bench; mnist_bench.__version__",
        "import sys; from mnist_bench.cli.app import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "import sys; from mnist_bench.cli.app import main\ntry: main(['run', '--help'])\nexcept SystemExit: pass",
    ],
    ids=["import", "help", "run-help"],
)
def test_the_package_and_its_help_are_light(code: str) -> None:
    """They answer at once, because they import nothing that takes time."""
    heavy = {"tensorflow", "keras", "matplotlib", "numpy", "scipy", "sklearn", "rich", "jinja2", "msgspec"}
    assert import_apart(code) & heavy == set()


# pytest finds the hooks of a plugin by their names.
@pytest.mark.parametrize(
    "name", [name for name, path in MODULES.items() if path.name != "__init__.py" and name not in FACES]
)
def test_what_is_public_is_there(name: str) -> None:
    """Every name of `__all__` exists, once, and is no private one."""
    module = importlib.import_module(f"mnist_bench.{name}")
    names = module.__all__
    assert len(names) == len(set(names))
    assert [public for public in names if public.startswith("_") or not hasattr(module, public)] == []


def test_the_package_gives_its_public_names() -> None:
    """Names load when they are used, are those of their modules, and others are named in the error."""
    assert set(mnist_bench._HOMES) == set(mnist_bench.__all__)
    assert set(mnist_bench.__all__) | {"__version__"} == set(dir(mnist_bench))
    for name, home in mnist_bench._HOMES.items():
        assert getattr(mnist_bench, name) is getattr(importlib.import_module(f"mnist_bench.{home}"), name)
    assert mnist_bench.__version__
    with pytest.raises(AttributeError, match="module 'mnist_bench' has no attribute 'nothing'"):
        _ = mnist_bench.nothing
