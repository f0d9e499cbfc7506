"""The pytest plugin: options, fixtures and a summary of verdicts for suites that test the lab. A thin shell."""

from __future__ import annotations

import argparse
import os
import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.own.plugin import VERDICT, make_model_plugin
from mnist_bench.records.numbers import read_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mnist_bench.own.session import OwnSession
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.training.data.dataset import Dataset

_LABS = ("perceptron", "mlp", "dropout")
_ENGINES = ("eager", "graph", "xla", "epoch", "fused")
_KEYS = "mnist_bench_keys"
_MOST_SEEDS = 10_000  # as `mnist-bench check --seeds` allows


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("mnist-bench")
    group.addoption("--mnist-data", default="auto", metavar="SOURCE", help="auto, mnist, digits or a path to MNIST.")
    group.addoption(
        "--mnist-engine",
        action="append",
        choices=_ENGINES,
        help="An engine to test; may be given again. All of them if not given.",
    )
    group.addoption("--mnist-device", default="auto", choices=("auto", "cpu", "gpu"), help="Where to train.")
    group.addoption(
        "--mnist-seeds",
        type=_positive,
        default=5,
        metavar="K",
        help="New seeds that an accuracy test trains at first (default 5); 20 if the result is inconclusive.",
    )
    group.addoption(
        "--mnist-require",
        action="append",
        default=[],
        choices=("mnist", "gpu"),
        help="Fail, instead of skipping, the tests that need MNIST or a GPU where there is none.",
    )
    group.addoption(
        "--mnist-model",
        metavar="FILE",
        help="A model of your own (docs/own-model.md): each of its checks is a test, next to those of the suite.",
    )
    parser.addini(
        "mnist_bench",
        "Whether this suite tests the lab: show the header, and share the cores among the processes of pytest-xdist.",
        type="bool",
        default=False,
    )


@pytest.hookimpl(tryfirst=True)  # before any other plugin looks for the hardware
def pytest_configure(config: pytest.Config) -> None:
    """Hide the GPUs where the CPU is asked for, and give each of several test processes its share of the cores.

    Both happen before TensorFlow starts: it sizes its thread pools at its start and cannot give up a GPU afterwards.
    Processes that tests start inherit both settings. Threads of two trainings on the same cores would wait for each
    other for longer than they work. NumPy's BLAS may be loaded already with threads for all cores, so its number of
    threads is reduced here.
    """
    if config.getoption("--mnist-device") == "cpu":
        hidden = pytest.MonkeyPatch()
        hidden.setenv("CUDA_VISIBLE_DEVICES", "-1")
        config.add_cleanup(hidden.undo)
    worker = getattr(config, "workerinput", None)
    if worker is not None and config.getini("mnist_bench"):
        _take_share(worker["workerid"], worker["workercount"])
    engines = list(dict.fromkeys(config.getoption("--mnist-engine") or _ENGINES))
    config.pluginmanager.register(_make_engine_plugin(engines))
    config.pluginmanager.register(make_model_plugin(_open_model(config)))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name what is under test, without importing it."""
    if not config.getini("mnist_bench"):
        return []
    from mnist_bench.timing.machine import collect_hardware
    from mnist_bench.training.fingerprint import find_package_version

    versions = [f"{name} {find_package_version(name) or 'not installed'}" for name in ("tensorflow", "keras", "numpy")]
    engines = ", ".join(config.getoption("--mnist-engine") or _ENGINES)
    data = f"{config.getoption('--mnist-data')}{_describe_mnist()}"
    device = config.getoption("--mnist-device")
    hardware = collect_hardware()
    machine = f"{hardware.cpu}, {hardware.usable_cores} cores, hardware key {hardware.hardware_key}"
    return [
        f"mnist-bench: {', '.join(versions)}; data {data}; engines {engines}; device {device}",
        f"mnist-bench: {machine}; the numerics keys stand below the verdicts",
    ]


@pytest.fixture(scope="session", params=_LABS)
def mnist_lab(request: pytest.FixtureRequest) -> str:
    """The name of a lab; a test that uses this fixture runs once for each lab."""
    return str(request.param)


def _make_engine_plugin(engines: Sequence[str]) -> ModuleType:
    """Return a plugin with the fixture `mnist_engine`, whose parameters are known once the options are read.

    A fixture and no `pytest_generate_tests`: a suite may have a fixture or a parameter of that name.
    """

    @pytest.fixture(scope="session", params=engines)
    def mnist_engine(request: pytest.FixtureRequest) -> str:
        """The name of an engine; a test that uses this fixture runs once for each engine."""
        return str(request.param)

    plugin = ModuleType("mnist_bench_engines")
    vars(plugin)["mnist_engine"] = mnist_engine
    return plugin


def _open_model(config: pytest.Config) -> OwnSession | None:
    """Return the model of `--mnist-model`, whose checks pytest shall find; None without that option."""
    path = config.getoption("--mnist-model")
    if path is None:
        return None
    from mnist_bench.own.session import open_session

    try:
        session = open_session(path, config.getoption("--mnist-device"))
    except ValueError as error:
        raise pytest.UsageError(f"--mnist-model: {error}") from error
    config.add_cleanup(session.close)
    if session.model.path not in config.args:
        config.args.append(session.model.path)
    return session


@pytest.fixture(scope="session")
def mnist_dataset(pytestconfig: pytest.Config) -> Dataset:
    """The data that `--mnist-data` names."""
    from mnist_bench.training.data.dataset import load_dataset

    return load_dataset(pytestconfig.getoption("--mnist-data"))


@pytest.fixture(scope="session")
def mnist_source(pytestconfig: pytest.Config, mnist_dataset: Dataset) -> str:
    """The same data by name or path, for another process to load."""
    source = pytestconfig.getoption("--mnist-data")
    return mnist_dataset.name if source == "auto" else str(source)


@pytest.fixture
def mnist_only(pytestconfig: pytest.Config, mnist_dataset: Dataset) -> None:
    """Skip where the data is the stand-in: the test needs MNIST."""
    if mnist_dataset.is_standin:
        _miss(pytestconfig, "mnist", "this test needs MNIST, and the data is the stand-in")


@pytest.fixture
def mnist_gpu(pytestconfig: pytest.Config) -> None:
    """Skip where TensorFlow sees no GPU."""
    from mnist_bench.training.backend import load_tensorflow

    if not load_tensorflow().config.list_physical_devices("GPU"):
        _miss(pytestconfig, "gpu", "TensorFlow sees no GPU")


@pytest.fixture
def mnist_train(
    request: pytest.FixtureRequest, mnist_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., TrainingRecord]:
    """A function of (lab, engine, seed, epochs) that trains once a session, whichever process asks first."""
    from mnist_bench.records.config import FIRST_SEED, TrainingConfig

    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent  # the workers' common one
    device = request.config.getoption("--mnist-device")

    def train_once(lab: str, engine: str, *, seed: int = FIRST_SEED, epochs: int | None = None) -> TrainingRecord:
        config = TrainingConfig(lab=lab, engine=engine, seed=seed, epochs=epochs, device=device)
        record = _train_once(config, mnist_dataset, folder / "mnist-bench")
        request.node.user_properties.append((_KEYS, _format_keys(record)))
        return record

    return train_once


@pytest.fixture
def mnist_hold(request: pytest.FixtureRequest) -> Callable[..., None]:
    """A function of a check's result that notes the verdict for the summary, and fails where the check does not hold.

    A known regression is an expected failure; a known regression that is gone is a failure.
    """
    from mnist_bench.checks.known import apply_known, load_known
    from mnist_bench.records.verdicts import Verdict
    from mnist_bench.show.text import format_line
    from mnist_bench.training.backend import read_versions

    def hold(result: CheckResult, *, engine: str = "") -> None:
        result = apply_known(result, engine, read_versions(), load_known())
        line = format_line(result)
        request.node.user_properties.append((VERDICT, line))
        if result.verdict is Verdict.KNOWN:
            pytest.xfail(f"known regression: {result.evidence}")
        if not result.holds:
            pytest.fail(line, pytrace=False)

    return hold


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the verdicts, by check, and the keys of the trainings behind them."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    notes = [note for report in reports if getattr(report, "when", None) == "call" for note in report.user_properties]
    lines = _pick_notes(notes, VERDICT)
    if lines:
        terminalreporter.section("mnist-bench verdicts")
        for line in sorted(lines, key=lambda line: line.split()[1:2]):
            terminalreporter.write_line(line)
        for keys in sorted(set(_pick_notes(notes, _KEYS))):
            terminalreporter.write_line(keys)


def _pick_notes(notes: Sequence[Any], name: str) -> list[str]:
    """Return the plugin's own notes of one name: those of others may have any form, even under that name."""
    pairs = [note for note in notes if isinstance(note, (tuple, list)) and len(note) == 2]  # noqa: PLR2004 - a pair
    return [value for key, value in pairs if key == name and isinstance(value, str)]


def _take_share(worker: str, count: int) -> None:
    """Bind this process of pytest-xdist to its share of the cores.

    A worker that takes the place of a lost worker is numbered on, `gw2` of two. A worker that the user has named
    without a number keeps all cores.
    """
    from threadpoolctl import threadpool_limits

    from mnist_bench.training.workers.pool import share_cores

    number = re.search(r"\d+$", worker)
    share = share_cores(count)[int(number[0]) % count] if number else None
    if share is not None:
        os.sched_setaffinity(0, share)
        threadpool_limits(len(share))


def _format_keys(record: TrainingRecord) -> str:
    config, environment = record.config, record.environment
    return (
        f"{config.engine} on {record.dataset.source}: TensorFlow {environment.tensorflow}, Keras {environment.keras}, "
        f"{environment.backend}, {environment.precision}, "
        f"device {environment.device}, numerics key {environment.numerics_key}, "
        f"hardware key {environment.hardware_key}"
    )


def _train_once(config: Any, dataset: Dataset, folder: Path) -> TrainingRecord:
    """Return the record of a training from the session's folder; train first if there is none."""
    from filelock import FileLock

    from mnist_bench.records.files import is_taken
    from mnist_bench.records.serial import load_record, save
    from mnist_bench.training.campaign import record_name
    from mnist_bench.training.runner import check_config, train

    config = check_config(config)
    folder.mkdir(exist_ok=True)
    path = folder / f"{config.epochs}-{record_name(config)}"
    with FileLock(f"{path}.lock"):
        if not is_taken(path):
            save(train(config, dataset=dataset), path)
        return load_record(path)


def _miss(config: pytest.Config, what: str, reason: str) -> None:
    if what in config.getoption("--mnist-require"):
        pytest.fail(f"{reason}, and --mnist-require {what} was given", pytrace=False)
    pytest.skip(reason)


def _positive(text: str) -> int:
    try:
        return read_whole(text, 1, _MOST_SEEDS)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _describe_mnist() -> str:
    named = os.environ.get("MNIST_BENCH_DATA")
    return f" (MNIST_BENCH_DATA={named})" if named else ""
