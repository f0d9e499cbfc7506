"""The pytest plugin: options, header, fixtures and the summary, in suites of its users."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

# `suite` is here for the inner sessions: NumPy and SciPy cannot be imported twice in a process.
from mnist_bench import pytest_plugin
from mnist_bench.checks import suite  # noqa: F401 - as said
from mnist_bench.own import session
from mnist_bench.records.serial import save
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.timing.machine import collect_hardware
from mnist_bench.training.workers.interpreters import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset

pytest_plugins = ["pytester"]

HEADER = "[pytest]\nmnist_bench = true\n"
CHECK = """
from mnist_bench.records.verdicts import CheckResult, Verdict
def test_it(mnist_hold):
    result = CheckResult(name="{name}[epoch]", verdict=Verdict.{verdict}, figure="7", bound="8", value=1.0)
    mnist_hold(result, engine="epoch")
"""


@pytest.fixture(autouse=True)
def _fixed_versions(pytester: pytest.Pytester) -> None:
    """Spare the inner runs the import of TensorFlow."""
    pytester.makeconftest(
        "from mnist_bench.training import backend\n"
        "backend.read_versions = lambda: {'keras': '3.15.1', 'tensorflow': '2.21.0', 'numpy': '2.4.6'}\n"
    )


@pytest.mark.parametrize(
    ("name", "verdict", "outcome"),
    [
        pytest.param("contract/labels-aligned", "PASS", "passed", id="pass"),
        pytest.param("contract/labels-aligned", "REGRESSED", "failed", id="regressed"),
        pytest.param("contract/labels-aligned", "INCONCLUSIVE", "failed", id="inconclusive is never green"),
        pytest.param("bits/stages", "NO_BASELINE", "failed", id="no baseline is never green"),
        pytest.param("contract/new-order", "REGRESSED", "xfailed", id="known"),
        pytest.param("contract/new-order", "PASS", "failed", id="known but gone"),
    ],
)
def test_verdicts_become_outcomes(name: str, verdict: str, outcome: str, pytester: pytest.Pytester) -> None:
    """A verdict that holds passes, a known regression is expected, and anything else fails."""
    pytester.makepyfile(CHECK.format(name=name, verdict=verdict))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["*mnist-bench verdicts*", f"*{name}*7*(8)*"])


def test_header_names_what_is_under_test(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header has data, engines, device and versions where the suite asks for it, and only there; no hidden GPU."""
    monkeypatch.setattr("mnist_bench.training.fingerprint._ask", lambda _: "0, GPU-1, A GPU")
    pytester.makepyfile("def test_it(): pass")
    assert "mnist-bench:" not in pytester.runpytest_inprocess().stdout.str()
    pytester.makeini(HEADER)
    result = pytester.runpytest_inprocess("--mnist-data", "digits", "--mnist-engine", "fused", "--mnist-device", "cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    result.stdout.fnmatch_lines(
        [
            "mnist-bench: tensorflow *, keras *, numpy *; data digits*; engines fused; device cpu",
            f"mnist-bench: * cores, hardware key {collect_hardware().hardware_key}; *",
        ]
    )


def test_the_cpu_alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the CPU is asked for, no test and nothing that a test starts sees a GPU; the session behind it does."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    pytester.makepyfile("import os\ndef test_it(): assert os.environ['CUDA_VISIBLE_DEVICES'] == '-1'")
    pytester.runpytest_inprocess("--mnist-device", "cpu").assert_outcomes(passed=1)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    pytester.runpytest_inprocess("--mnist-device", "auto").assert_outcomes(failed=1)


def test_labs_and_engines_are_parametrised(pytester: pytest.Pytester) -> None:
    """A test that asks for lab and engine runs for each of them."""
    pytester.makepyfile("def test_it(mnist_lab, mnist_engine): pass")
    pytester.runpytest_inprocess().assert_outcomes(passed=15)
    pytester.runpytest_inprocess(*["--mnist-engine", "graph"] * 2).assert_outcomes(passed=3)


def test_names_of_the_suite_come_first(pytester: pytest.Pytester) -> None:
    """A fixture or a parameter of the suite with a name of the plugin's is the suite's own."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(params=["steam", "petrol"])
        def mnist_engine(request):
            return request.param

        @pytest.fixture
        def mnist_lab():
            return "kitchen"

        def test_fixtures(mnist_lab, mnist_engine):
            assert mnist_lab == "kitchen" and mnist_engine in ("steam", "petrol")

        @pytest.mark.parametrize("mnist_engine", ["epoch"])
        @pytest.mark.parametrize("mnist_lab", ["mlp"])
        def test_parameters(mnist_lab, mnist_engine):
            assert (mnist_lab, mnist_engine) == ("mlp", "epoch")
        """
    )
    pytester.runpytest_inprocess("-W", "error").assert_outcomes(passed=3)


@pytest.mark.parametrize("way", ["-p", "conftest"])
def test_the_plugin_may_be_named_again(way: str, pytester: pytest.Pytester) -> None:
    """A suite that names the plugin, although pytest loads it by itself, has the plugin once."""
    if way == "conftest":
        pytester.makeconftest(f"pytest_plugins = ['{pytest_plugin.__name__}']")
    pytester.makepyfile("def test_it(mnist_lab): pass")
    options = ["-p", pytest_plugin.__name__] if way == "-p" else []
    pytester.runpytest_subprocess("-W", "error", *options).assert_outcomes(passed=3)


OWN_NOTES = ("mnist_bench_verdict", "mnist_bench_keys")


def test_notes_of_others_are_left_alone(pytester: pytest.Pytester) -> None:
    """The summary reads the plugin's own notes among those of the suite, whatever these are."""
    notes = "('a', 'b'), ('mnist_bench', []), ['a', 'b', 'c'], 'xy', None, ({}, {})"
    notes += "".join(f", ({key!r}, {value!r})" for key in OWN_NOTES for value in (5, None, [], "", "PASS"))
    pytester.makepyfile(
        CHECK.format(name="labels-aligned", verdict="PASS")
        + f"def test_other(request): request.node.user_properties.extend([{notes}])"
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:junitxml")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*mnist-bench verdicts*", "PASS*"])
    assert "INTERNALERROR" not in result.stdout.str()


@pytest.mark.parametrize(
    ("worker", "share"),
    [
        pytest.param("gw1", [2, 3], id="second of two"),
        pytest.param("gw2", [0, 1], id="in place of a lost worker"),
        pytest.param("popen-7", [2, 3], id="another name with a number"),
        pytest.param("büro", None, id="a name without a number"),
        pytest.param("", None, id="no name"),
    ],
)
def test_any_worker_has_a_share(worker: str, share: list[int] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of pytest-xdist takes the share of its number, whatever its name, or keeps all cores."""
    taken: list[list[int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: taken.append(cores))
    monkeypatch.setattr("threadpoolctl.threadpool_limits", lambda _: None)
    pytest_plugin._take_share(worker, 2)
    assert taken == ([] if share is None else [share])


def test_a_lost_process_is_replaced(pytester: pytest.Pytester) -> None:
    """When tests end their processes, pytest-xdist replaces these processes and the session goes on."""
    pytester.makeini(HEADER)
    pytester.makepyfile(
        """
        import os
        import pytest

        @pytest.mark.parametrize("case", range(4))
        def test_it(case):
            if case < 2:
                os._exit(1)
        """
    )
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=2)


@pytest.mark.parametrize(
    "options",
    [
        ("--mnist-engine", "warp"),
        ("--mnist-seeds", "0"),
        ("--mnist-seeds", "1_0"),
        ("--mnist-device", "tpu"),
        ("--mnist-require", "luck"),
    ],
    ids=" ".join,
)
def test_bad_options_are_refused(options: tuple[str, str], pytester: pytest.Pytester) -> None:
    """A value that is not allowed is a usage error."""
    assert pytester.runpytest_inprocess(*options).ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("options", "outcome"),
    [pytest.param((), "skipped", id="skips"), pytest.param(("--mnist-require", "mnist"), "errors", id="required")],
)
def test_what_only_mnist_can_answer(
    options: tuple[str, ...], outcome: str, pytester: pytest.Pytester, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the stand-in it skips, saying so, or fails where MNIST is required."""
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda _: tiny)
    pytester.makepyfile("import pytest\n@pytest.mark.usefixtures('mnist_only')\ndef test_it(): pass")
    result = pytester.runpytest_inprocess("--mnist-data", "digits", "-rsE", *options)
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["*this test needs MNIST*"])


def test_processes_share_the_cores_and_the_trainings(pytester: pytest.Pytester, record: TrainingRecord) -> None:
    """In a suite about the lab each of two processes has half of the cores; a lab that both want is trained once."""
    cores = sorted(os.sched_getaffinity(0))
    save(record, pytester.path / "record.json")
    pytester.makeini(HEADER)
    pytester.makeconftest("import numpy")  # whose BLAS takes a thread for each core that it sees then
    pytester.makepyfile(
        """
        import os, pathlib, time
        import pytest, threadpoolctl
        from mnist_bench.training import runner
        from mnist_bench.records.serial import load_record

        @pytest.fixture(scope="session")
        def mnist_dataset():
            return None

        @pytest.mark.parametrize("case", range(4))
        def test_it(case, worker_id, mnist_train, monkeypatch):
            threads = max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())
            assert threads <= len(os.sched_getaffinity(0))
            pathlib.Path(f"{worker_id}.txt").write_text(",".join(map(str, sorted(os.sched_getaffinity(0)))))
            record = load_record(pathlib.Path("record.json").resolve())
            def train(config, dataset):
                with open("log", "a") as stream:
                    stream.write("trained\\n")
                time.sleep(0.5)
                return record
            monkeypatch.setattr(runner, "train", train)
            assert mnist_train("perceptron", "fused").test_accuracy == record.test_accuracy
        """
    )
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=4)
    assert (pytester.path / "log").read_text() == "trained\n"
    shares = [(pytester.path / f"gw{number}.txt").read_text().split(",") for number in range(2)]
    halves = [cores[: len(cores) // 2], cores[len(cores) // 2 :]] if len(cores) > 1 else [cores, cores]
    assert [list(map(int, share)) for share in shares] == halves


def test_the_keys_of_trainings_stand_below_the_verdicts(pytester: pytest.Pytester, record: TrainingRecord) -> None:
    """Each engine's keys stand there once, however many trainings it did."""
    save(record, pytester.path / "record.json")
    pytester.makepyfile(
        """
        import pathlib
        import pytest
        from mnist_bench.training import runner
        from mnist_bench.records.serial import load_record
        from mnist_bench.records.verdicts import CheckResult, Verdict

        @pytest.fixture(scope="session")
        def mnist_dataset():
            return None

        def test_it(mnist_train, mnist_hold, monkeypatch):
            record = load_record(pathlib.Path("record.json").resolve())
            monkeypatch.setattr(runner, "train", lambda config, dataset: record)
            for seed in (1, 2):
                mnist_train("perceptron", "epoch", seed=seed)
            mnist_hold(CheckResult(name="a/check", verdict=Verdict.PASS, figure="7", bound="8"), engine="epoch")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    line = "epoch on digits: TensorFlow 2.21.0, *numerics key db3e573abd745bcc, hardware key 8fa4633540bce915"
    result.stdout.fnmatch_lines(["*mnist-bench verdicts*", "PASS*a/check*", line])
    assert result.stdout.str().count("numerics key") == 1


MODEL = "def build(): raise RuntimeError\ndef data(): raise RuntimeError\n"


@pytest.fixture
def run_model(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """A function that runs pytest on a model whose checks have given answers."""
    names = ["structure/layers[bench_net]", "arithmetic/double[bench_net]"]
    monkeypatch.setattr(session, "name_own_checks", lambda _model: names)

    def run(*arguments: str, verdict: str = "PASS", lost: str = "") -> pytest.RunResult:
        def ask(*_: object, first: int = 0) -> Iterator[CheckResult]:
            if lost:
                raise CommandError(lost, [], bad_input=True)
            for name, said in list(zip(names, ("PASS", verdict), strict=True))[first:]:
                yield CheckResult(name=name, verdict=Verdict(said), figure="7", bound="8")

        monkeypatch.setattr(session, "ask_own_checks", ask)
        (pytester.path / "bench_net.py").write_text(MODEL)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "--mnist-model", "bench_net.py", *arguments)

    return run


@pytest.mark.parametrize(
    "arguments",
    [(), (".",), ("bench_net.py",), ("sub",)],
    ids=["nothing", "folder", "file", "another folder"],
)
def test_each_check_of_a_model_is_a_test(
    run_model: Callable[..., pytest.RunResult], pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    """Without any test file, wherever pytest looks for tests; the file is never run in this process."""
    pytester.mkdir("sub")
    result = run_model(*arguments)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*mnist-bench verdicts*", "PASS * arithmetic/double*7*(8)*"])


def test_a_check_of_a_model_that_regressed_fails(run_model: Callable[..., pytest.RunResult]) -> None:
    """Its line is the reason, without a traceback of ours."""
    result = run_model("-v", verdict="REGRESSED")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*REGRESSED * arithmetic/double*bench_net*7*(8)*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*session.py*")


def test_one_check_of_a_model_can_be_selected(run_model: Callable[..., pytest.RunResult]) -> None:
    """Those before that are not run."""
    run_model("-k", "double").assert_outcomes(passed=1, deselected=1)


def test_a_model_that_cannot_be_built_fails_each_check(run_model: Callable[..., pytest.RunResult]) -> None:
    """With the one line that says why."""
    result = run_model(lost="bench_net.py, line 1, build(): RuntimeError")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*bench_net.py, line 1, build(): RuntimeError*"])


def test_a_suite_of_ones_own_has_the_checks_of_a_model(
    run_model: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """A test that uses the fixture runs once for each check, and has the model itself."""
    pytester.makepyfile(
        test_mine="def test_mine(mnist_model_check, mnist_hold, mnist_model):\n"
        "    assert mnist_model.find(mnist_model_check.name) is mnist_model_check\n"
        "    mnist_hold(mnist_model_check)\n"
    )
    run_model(verdict="INCONCLUSIVE").assert_outcomes(passed=2, failed=2)


def test_a_test_of_a_model_needs_the_option(pytester: pytest.Pytester) -> None:
    """Without a model there is nothing to check, and that is not green."""
    pytester.makepyfile("def test_it(mnist_model_check): pass")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*this test needs --mnist-model FILE*"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [("nowhere.py", "", "nowhere.py does not exist"), ("bench_odd.py", "def build(:", "bench_odd.py, line 1: Syntax")],
    ids=["missing", "syntax"],
)
def test_a_model_file_that_cannot_be_used_is_bad_usage(
    pytester: pytest.Pytester, name: str, text: str, message: str
) -> None:
    """One line, and pytest's status of a usage error."""
    if text:
        (pytester.path / name).write_text(text)
    result = pytester.runpytest_inprocess("--mnist-model", name)
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--mnist-model: {message}*"])
