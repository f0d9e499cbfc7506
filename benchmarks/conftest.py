"""The benchmarks' cases, what is noted of each, and what pytest-benchmark must not do.

It must not time a wrong model, compare with other hardware, or store a failed run as a baseline. TensorFlow is not
imported before the first case runs.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from pytest_benchmark.utils import safe_dumps

from mnist_bench.records.checksum import CHECKSUM, compute_checksum
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.serial import convert
from mnist_bench.records.strict import RecordError
from mnist_bench.timing.clock import (
    CONTROLS,
    ROUND_CLOCK,
    OthersMeter,
    read_peak_memory,
    reset_peak_memory,
    time_call,
)
from mnist_bench.timing.counts import CountsMeter
from mnist_bench.timing.machine import Machine, collect_hardware, explain_hardware
from mnist_bench.timing.records import BenchmarkInfo, Notes, convert_run, load_run
from mnist_bench.training.fingerprint import find_package_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.training.data.dataset import Dataset, Prepared

LABS = ("perceptron", "mlp", "dropout")
# The lab's own eager engine takes ten times as long, and few users compile the step by XLA: both by --mnist-engine.
ENGINES = ("graph", "epoch", "fused")

FAILED = pytest.StashKey[list[str]]()
MEASURED = pytest.StashKey[list[list[Any]]]()
LINES = pytest.StashKey[list[str]]()
DESELECTED = pytest.StashKey[set[str]]()
UNCOUNTED = pytest.StashKey[str]()


class Case(NamedTuple):
    """What is timed: a training and the data."""

    config: TrainingConfig
    prepared: Prepared


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a benchmark for each lab, engine and device."""
    device = metafunc.config.getoption("--mnist-device")
    values = {
        "lab": LABS,
        "engine": metafunc.config.getoption("--mnist-engine") or ENGINES,
        "device": ("cpu", "gpu") if device == "auto" else (device,),
    }
    for name, choices in values.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, choices)


@pytest.fixture(scope="session")
def prepared(mnist_dataset: Dataset) -> Prepared:
    """The lab's arrays of the data."""
    from mnist_bench.training.data.dataset import prepare

    return prepare(mnist_dataset)


@pytest.fixture
def case(request: pytest.FixtureRequest, lab: str, engine: str, device: str, prepared: Prepared) -> Iterator[Case]:
    """A case that was checked to be the lab, in a process with the settings of a training."""
    from mnist_bench.timing.trial import on_device, prepare_process

    if device == "gpu":
        request.getfixturevalue("mnist_gpu")
    config = TrainingConfig(lab=lab, engine=engine, device=device)
    with on_device(device):
        check_once(config)
        prepare_process(config)
        yield Case(config, prepared)


@functools.cache
def check_once(config: TrainingConfig) -> None:
    """Check a case before it is timed for the first time."""
    from mnist_bench.timing.trial import check_trial

    check_trial(config)


@pytest.fixture(scope="session")
def controls() -> dict[str, Callable[[], None]]:
    """The control workloads, made."""
    return {name: make() for name, make in CONTROLS.items()}


@pytest.fixture
def measure(
    request: pytest.FixtureRequest,
    benchmark: Any,
    mnist_dataset: Dataset,
    controls: dict[str, Callable[[], None]],
) -> Callable[..., None]:
    """A function that times work in rounds, with the controls before each round, and notes the figures.

    The work notes its own times in `ROUND_CLOCK`, which is pytest-benchmark's clock here.
    """

    def measure(
        work: Callable[..., None],
        case: Case | None = None,
        *,
        rounds: int,
        warmups: int = 0,
        prepare: Callable[[], Sequence[Any]] = tuple,
        samples: int = 0,
        flops: int = 0,
    ) -> None:
        noted: list[dict[str, float]] = []
        others: list[float | None] = []
        counted: list[dict[str, int]] = []
        meter, counter = OthersMeter(), CountsMeter()
        if counter.reason:
            request.config.stash[UNCOUNTED] = counter.reason

        def setup() -> tuple[Sequence[Any], dict[str, Any]]:
            arguments = prepare()
            noted.append({name: time_call(control).wall for name, control in controls.items()})
            counter.start()
            meter.start()
            return arguments, {}

        def watched(*arguments: Any) -> None:
            work(*arguments)
            counted.append(counter.stop())
            others.append(meter.stop())

        reset_peak_memory()
        start = len(ROUND_CLOCK.times)
        benchmark.pedantic(watched, setup=setup, rounds=rounds, warmup_rounds=warmups)
        if benchmark.stats is None:
            return  # disabled: the work ran once, and nothing was measured
        median = benchmark.stats.stats.median
        info = BenchmarkInfo(
            **describe(case),
            dataset=mnist_dataset.name,
            dataset_digest=mnist_dataset.digest,
            cpu_seconds=[times.cpu for times in ROUND_CLOCK.times[start + warmups :][:rounds]],
            controls={name: [row[name] for row in noted[warmups:][:rounds]] for name in controls},
            samples_per_second=samples / median if samples else None,
            gflop_per_second=flops / median / 1e9 if flops else None,
            peak_memory_mb=read_peak_memory(),
            others=[share for share in others[warmups:][:rounds] if share is not None],
            counts={name: [row[name] for row in counted[warmups:][:rounds]] for name in counted[0]},
        )
        benchmark.extra_info.update(dataclasses.asdict(info))

    return measure


def describe(case: Case | None) -> dict[str, Any]:
    """Return what a case is and where it runs, as fields of `BenchmarkInfo`."""
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.fingerprint import collect_environment

    config = case.config if case else None
    xla = check_engine(config.engine).xla if config else False
    environment = collect_environment(device=config.device if config else "cpu", xla=xla)
    fields = ("device", "numerics_key", "hardware_key", "tensorflow", "keras")
    return {
        "lab": config.lab if config else None,
        "engine": config.engine if config else None,
        **{name: getattr(environment, name) for name in fields},
    }


def pytest_configure(config: pytest.Config) -> None:
    """Make --benchmark-compare without a value take the newest run of this TensorFlow on this hardware, if stored.

    pytest-benchmark takes the newest run of all, but the folder has baselines of several versions.
    """
    if config.getoption("benchmark_compare", None) is not True:
        return
    folder = Path(config.getoption("benchmark_storage").removeprefix("file://"))
    ours = f"_{collect_hardware().hardware_key}_tf{find_package_version('tensorflow')}_"
    stored = sorted(path for path in folder.glob("*/[0-9]*.json") if ours in path.name)
    if stored:
        config.option.benchmark_compare = f"{stored[-1].parent.name}/{stored[-1].stem}"


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember what `-k`, `-m` and `--deselect` took out: that was not asked for, and so is not due."""
    for item in items:
        item.config.stash.setdefault(DESELECTED, set()).add(item.nodeid)


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Add the hardware and the hardware key."""
    machine_info["mnist_bench"] = dataclasses.asdict(collect_hardware())


def pytest_benchmark_compare_machine_info(machine_info: dict[str, Any], compared_benchmark: dict[str, Any]) -> None:
    """Refuse a comparison with times from other hardware, and name the fields that differ."""
    try:
        there, here = (
            convert(info["mnist_bench"], Machine, origin="machine_info")
            for info in (compared_benchmark["machine_info"], machine_info)
        )
    except (KeyError, TypeError, RecordError) as error:
        raise pytest.UsageError(
            "--benchmark-compare: the stored run does not say on which hardware it was measured"
        ) from error
    if not there.is_like(here):
        raise pytest.UsageError(
            f"--benchmark-compare: the stored run is from other hardware: {explain_hardware(there, here)}; "
            "mnist-bench timings check RUN.json compares by the controls"
        )
    if failed := compared_benchmark.get("mnist_bench", {}).get("failed"):
        raise pytest.UsageError(f"--benchmark-compare: in the stored run {failed[0]} failed: it is no baseline")


@pytest.hookimpl(trylast=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add the failed tests, for a run with failures is never accepted as a baseline, and last of all the checksum."""
    output_json["mnist_bench"] = dataclasses.asdict(Notes(failed=config.stash.get(FAILED, [])))
    # Of what will be written: pytest-benchmark's own encoder turns what JSON cannot hold into text.
    output_json[CHECKSUM] = compute_checksum(json.loads(safe_dumps(output_json)))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember the failed tests."""
    outcome: Any = yield
    if outcome.get_result().failed:
        item.config.stash.setdefault(FAILED, []).append(item.nodeid)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Measure the benchmarks that do not pass once more at the end, when a disturbance of the machine may be over."""
    yield
    run = session.config._benchmarksession  # noqa: SLF001 - pytest-benchmark's only name for it
    if is_compared(session) and not (session.testsfailed or session.shouldstop):
        try:
            results = judge(session.config)
        except ValueError:
            return  # the end of the session judges again and shows the error
        measure_again(session, run, results)


def measure_again(session: pytest.Session, run: Any, results: Sequence[CheckResult]) -> None:
    """Run the INCONCLUSIVE and REGRESSED benchmarks again; the faster of both measurements goes into the run."""
    from mnist_bench.records.verdicts import Verdict
    from mnist_bench.timing.gate import name_check

    in_doubt = (Verdict.INCONCLUSIVE, Verdict.REGRESSED)
    names = {result.name for result in results if result.verdict in in_doubt}
    items = [item for item in session.items if name_check(item.nodeid) in names]
    first, run.benchmarks[:] = list(run.benchmarks), []
    for item, following in itertools.zip_longest(items, items[1:]):
        item._initrequest()  # type: ignore[attr-defined] # noqa: SLF001 - new fixtures, as in pytest-rerunfailures
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    again = [result for result in run.benchmarks if result and not result.has_error]
    session.config.stash[MEASURED] = [first, again]
    measured = sorted(filter(None, first + again), key=lambda result: -result.stats.median)
    fastest = {result.fullname: result for result in measured}
    run.benchmarks[:] = [fastest.get(result.fullname, result) for result in first]


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Before pytest-benchmark saves and compares, refuse to store a failed run, and judge a compared run."""
    run = session.config._benchmarksession  # noqa: SLF001 - as above
    lines = session.config.stash.setdefault(LINES, [])
    if session.testsfailed and (run.save or run.autosave):
        lines.append("NOT SAVED: a run in which a test failed cannot be a baseline")
        run.save = run.autosave = None
    if is_compared(session):
        show_verdicts(session, lines)
    yield


def is_compared(session: pytest.Session) -> bool:
    """Return whether this session compares, and this process is the one that reports it."""
    config = session.config
    # Under xdist the workers measured nothing, and the main process reports for all.
    return bool(
        config._benchmarksession.compare  # noqa: SLF001 - as above
        and not config.option.collectonly
        and not hasattr(config, "workerinput")
    )


def show_verdicts(session: pytest.Session, lines: list[str]) -> None:
    """Add the verdicts to the lines, and fail the session if a verdict is bad or the run cannot be judged.

    INCONCLUSIVE fails no session, because it may be noise; `timings check` has exit status 3 for it.
    """
    from mnist_bench.records.verdicts import Verdict

    try:
        results = judge(session.config)
    except ValueError as error:
        lines.append(f"ERROR: {error}")
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        return
    lines += format_results(results)
    lines.append(describe_trust())
    if left_out := count_left_out(session.config):
        lines.append(f"{left_out} other benchmarks of the manifest were not asked for; `timings check` asks for all")
    bad = [result for result in results if not result.holds and result.verdict is not Verdict.INCONCLUSIVE]
    if session.exitstatus == pytest.ExitCode.OK and bad:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def judge(config: pytest.Config) -> list[CheckResult]:
    """Compare the measurements with the manifest, and with the runs that pytest-benchmark compares with."""
    import numpy as np

    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.timing.gate import judge_nothing, judge_runs
    from mnist_bench.timing.store import expected_names, load_manifest

    run = config._benchmarksession  # noqa: SLF001 - as above
    manifest = load_manifest(find_folder() / "timings")
    measured = [
        [result.as_dict() for result in benchmarks if result and not result.has_error]
        for benchmarks in config.stash.get(MEASURED, [run.benchmarks])
    ]
    if not any(measured):
        reason = "benchmarks are disabled" if run.disabled else "no benchmark ran"
        return judge_nothing(pick_asked(config, expected_names(manifest, collect_hardware())), reason)
    now = [
        convert_run(
            {
                "machine_info": run.get_machine_info(),
                "commit_info": {"id": "", "dirty": True},
                "benchmarks": benchmarks,
                "datetime": dt.datetime.now(dt.timezone.utc).isoformat(),
                "mnist_bench": {"failed": config.stash.get(FAILED, [])},
            },
            "this run",
        )
        for benchmarks in measured
        if benchmarks
    ]
    references = [load_run(find_run(run.storage.path, path)) for path in run.compared_mapping]
    due = pick_asked(config, expected_names(manifest, now[0].machine))
    return judge_runs(now, references, due, rng=np.random.default_rng(0))


def pick_asked(config: pytest.Config, due: Sequence[str]) -> list[str]:
    """Return the benchmarks that are due and were asked for.

    Left out is what was collected and deselected, and what is outside the files and tests on the command line. What
    was renamed is in a file that was asked for, and neither collected nor deselected: it stays due, and is MISSING.
    """
    deselected = config.stash.get(DESELECTED, set())
    device, engines = config.getoption("--mnist-device"), config.getoption("--mnist-engine") or ENGINES
    # A case is [LAB-ENGINE-DEVICE]; what has no case is asked for with every engine and device.
    cases = {
        name: name.rpartition("[")[2].removesuffix("]").split("-") for name in due if name.endswith(("-cpu]", "-gpu]"))
    }
    other = {name for name, case in cases.items() if case[1] not in engines or device not in ("auto", case[2])}
    return [name for name in due if name not in deselected | other and is_inside(config, name)]


def describe_trust() -> str:
    """Return how far the verdicts can be trusted on this machine."""
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.timing.calibration import find_calibration, format_calibration

    return format_calibration(find_calibration(find_folder() / "timings", collect_hardware().hardware_key))


def is_inside(config: pytest.Config, name: str) -> bool:
    """Return whether an argument of the command line names this benchmark, its file or a folder above."""
    for argument in config.args:
        place, _, inside = argument.partition("::")
        root = (config.invocation_params.dir / place).resolve()
        file = (config.rootpath / name.partition("::")[0]).resolve()
        test = name.partition("::")[2]
        if (root == file and test.startswith(inside)) or (not inside and root in file.parents):
            return True
    return False


def count_left_out(config: pytest.Config) -> int:
    """Return how many benchmarks of the manifest were not asked for."""
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.timing.store import expected_names, load_manifest

    due = expected_names(load_manifest(find_folder() / "timings"), collect_hardware())
    return len(due) - len(pick_asked(config, due))


def find_run(storage: Path, path: Path) -> Path:
    """Return the path of a run; pytest-benchmark names a run in the storage relative to the storage."""
    return path if path.is_file() else storage / path


def format_results(results: list[CheckResult]) -> list[str]:
    """Return the verdicts as lines."""
    from mnist_bench.show.text import format_line, format_summary

    return [*map(format_line, results), format_summary(results)]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the verdicts, whether the run was not saved, and once why nothing was counted."""
    stash = terminalreporter.config.stash
    lines = list(stash.get(LINES, []))
    if UNCOUNTED in stash:
        lines.append(f"instructions and cycles were not counted: {stash[UNCOUNTED]}")
    if lines:
        terminalreporter.section("mnist-bench timings")
        for line in lines:
            terminalreporter.write_line(line)
