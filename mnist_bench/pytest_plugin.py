"""The pytest plugin: options, fixtures and a summary of verdicts for suites that test the lab. A thin shell."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.training.data.dataset import Dataset

_LABS = ("perceptron", "mlp", "dropout")
_ENGINES = ("eager", "graph", "xla", "epoch", "fused")
_VERDICT, _KEYS = "mnist_bench_verdict", "mnist_bench_keys"


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
        from threadpoolctl import threadpool_limits

        from mnist_bench.training.workers.pool import share_cores

        share = share_cores(worker["workercount"])[int(worker["workerid"].removeprefix("gw"))]
        if share is not None:
            os.sched_setaffinity(0, share)
            threadpool_limits(len(share))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name what is under test, without importing it."""
    if not config.getini("mnist_bench"):
        return []
    from mnist_bench.timing.records import collect_hardware
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses `mnist_lab` or `mnist_engine` once for each lab or engine."""
    if "mnist_engine" in metafunc.fixturenames:
        metafunc.parametrize("mnist_engine", metafunc.config.getoption("--mnist-engine") or _ENGINES, scope="session")
    if "mnist_lab" in metafunc.fixturenames:
        metafunc.parametrize("mnist_lab", _LABS, scope="session")


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
        request.node.user_properties.append((_VERDICT, line))
        if result.verdict is Verdict.KNOWN:
            pytest.xfail(f"known regression: {result.evidence}")
        if not result.holds:
            pytest.fail(line, pytrace=False)

    return hold


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the verdicts, by check, and the keys of the trainings behind them."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    notes = [
        (name, value)
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
    ]
    lines = [value for name, value in notes if name == _VERDICT]
    if lines:
        terminalreporter.section("mnist-bench verdicts")
        for line in sorted(lines, key=lambda line: line.split()[1]):
            terminalreporter.write_line(line)
        for keys in sorted({value for name, value in notes if name == _KEYS}):
            terminalreporter.write_line(keys)


def _format_keys(record: TrainingRecord) -> str:
    config, environment = record.config, record.environment
    return (
        f"{config.engine} on {record.dataset.source}: TensorFlow {environment.tensorflow}, Keras {environment.keras}, "
        f"device {environment.device}, numerics key {environment.numerics_key}, "
        f"hardware key {environment.hardware_key}"
    )


def _train_once(config: Any, dataset: Dataset, folder: Path) -> TrainingRecord:
    """Return the record of a training from the session's folder; train first if there is none."""
    from filelock import FileLock

    from mnist_bench.records.serial import load_record, save
    from mnist_bench.training.campaign import record_name
    from mnist_bench.training.runner import check_config, train

    config = check_config(config)
    folder.mkdir(exist_ok=True)
    path = folder / f"{config.epochs}-{record_name(config)}"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            save(train(config, dataset=dataset), path)
        return load_record(path)


def _miss(config: pytest.Config, what: str, reason: str) -> None:
    if what in config.getoption("--mnist-require"):
        pytest.fail(f"{reason}, and --mnist-require {what} was given", pytrace=False)
    pytest.skip(reason)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _describe_mnist() -> str:
    named = os.environ.get("MNIST_BENCH_DATA")
    return f" (MNIST_BENCH_DATA={named})" if named else ""
