"""The gate of times: two criteria for each benchmark, and no PASS for a benchmark that was not measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mnist_bench.cli.timings import manifest
from mnist_bench.records.verdicts import CheckResult, Verdict, exit_status
from mnist_bench.timing.clock import CONTROLS
from mnist_bench.timing.gate import BOUNDS, CONTROL, judge_nothing, judge_runs
from mnist_bench.timing.records import convert_run

STEADY, EVALUATION = "b.py::test_steady_epoch[mlp-graph-cpu]", "b.py::test_evaluation[mlp-graph-cpu]"
CALM = (1.0, 1.01, 1.02, 0.99, 0.98, 1.0, 1.01, 0.99)


def judge(
    now: Any, *before: Any, due: tuple[str, ...] = (STEADY, EVALUATION), again: Any = None
) -> dict[str, CheckResult]:
    """Return the results of one or two runs by name."""
    references = [convert_run(run, "before") for run in before]
    runs = [convert_run(run, "now") for run in (now, again) if run]
    results = judge_runs(runs, references, due, rng=np.random.default_rng(0))
    return {result.name: result for result in results}


def scale(data: tuple[float, ...], factor: float) -> tuple[float, ...]:
    """Return the rounds multiplied by a factor."""
    return tuple(factor * seconds for seconds in data)


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        pytest.param(CALM, Verdict.PASS, id="the same"),
        pytest.param(scale(CALM, 0.5), Verdict.PASS, id="faster"),
        pytest.param(scale(CALM, 1.12), Verdict.PASS, id="surely slower, within the bound"),
        pytest.param(scale(CALM, 1.4), Verdict.REGRESSED, id="slower"),
        pytest.param((0.5, 2.0, 0.6, 1.9, 0.4, 2.2, 1.0, 1.0), Verdict.INCONCLUSIVE, id="noise around the same"),
        pytest.param((0.3, 3.0, 0.5, 2.9, 0.4, 2.2, 2.5, 2.4), Verdict.INCONCLUSIVE, id="beyond, without proof"),
        pytest.param((1.1, 1.11, 1.2, 1.22, 1.2, 1.6, 1.7, 1.8), Verdict.INCONCLUSIVE, id="slower, maybe too much"),
    ],
)
def test_two_criteria(now: tuple[float, ...], verdict: Verdict, make_timing_run: Any) -> None:
    """REGRESSED is beyond the bound and surely slower, in two runs; PASS is surely within the bound."""
    results = judge(make_timing_run(*now), make_timing_run(*CALM), again=make_timing_run(*scale(now, 1.01)))
    assert {result.verdict for result in results.values()} == {verdict}


@pytest.mark.parametrize(
    ("now", "before", "verdict"),
    [
        pytest.param((1.0,), CALM, Verdict.INCONCLUSIVE, id="one round now"),
        pytest.param((1.0, 1.0), CALM, Verdict.INCONCLUSIVE, id="two rounds now"),
        pytest.param(CALM, (1.0,), Verdict.INCONCLUSIVE, id="one round in the baseline"),
        pytest.param((1.0, 1.0, 1.0), CALM, Verdict.PASS, id="three rounds now"),
        pytest.param((9.0,), (1.0,), Verdict.REGRESSED, id="a disaster"),
    ],
)
def test_too_few_rounds_never_pass(
    now: tuple[float, ...], before: tuple[float, ...], verdict: Verdict, make_timing_run: Any
) -> None:
    """The interval of a single round has no width, and says nothing."""
    results = judge(make_timing_run(*now), make_timing_run(*before))
    assert {result.verdict for result in results.values()} == {verdict}
    few = min(len(now), len(before))
    assert all((f"{few} rounds are too few" in result.evidence) == (few < 3) for result in results.values())


def test_a_result_describes_the_comparison(make_timing_run: Any) -> None:
    """A result has the ratio and the interval, the medians in seconds, and the versions if they differ."""
    before = make_timing_run(*CALM, tensorflow="2.15.1")
    result = judge(make_timing_run(*scale(CALM, 2)), before)["timing/steady-epoch[mlp-graph-cpu]"]
    assert result.figure.startswith("2.00 of the baseline's time, 1.9")
    assert result.evidence == (
        "median 2 s of 8 rounds, the baseline's 1 s; fastest round 2.00 of the baseline's fastest; "
        "TensorFlow 2.15.1, Keras 3.15.1 then, 2.21.0, 3.15.1 now"
    )


def test_on_other_hardware_a_control_is_the_unit(make_timing_run: Any) -> None:
    """A machine half as fast passes if the control is half as fast, too; the bound is wider."""
    before = make_timing_run(*CALM, cpu="CPU f")
    slow_machine = judge(make_timing_run(*scale(CALM, 2), controls=1.0), before)
    assert {result.verdict for result in slow_machine.values()} == {Verdict.PASS}
    assert "1.00 of the baseline's time in units of sgemm" in slow_machine["timing/evaluation[mlp-graph-cpu]"].figure
    slow_epoch = judge(make_timing_run(*scale(CALM, 2.2)), before)
    assert {result.verdict for result in slow_epoch.values()} == {Verdict.REGRESSED}
    assert slow_epoch["timing/evaluation[mlp-graph-cpu]"].bound == f"≤ {BOUNDS['control']:.2f}"
    assert BOUNDS["control"] > BOUNDS["time"]


def test_the_unit_is_a_control_that_is_measured() -> None:
    """The gate's control is one of the controls."""
    assert CONTROL in CONTROLS


@pytest.mark.parametrize(
    ("factor", "next_factor", "verdict"),
    [
        pytest.param(1.4, None, Verdict.INCONCLUSIVE, id="one run"),
        pytest.param(1.4, 1.3, Verdict.REGRESSED, id="two runs"),
        pytest.param(1.4, 1.02, Verdict.PASS, id="one of two runs"),
        pytest.param(2.1, None, Verdict.REGRESSED, id="one run, far beyond"),
    ],
)
def test_a_regression_is_in_the_next_run_too(
    factor: float, next_factor: float | None, verdict: Verdict, make_timing_run: Any
) -> None:
    """A benchmark that is slow in one of two runs passes; one that does not pass names the command to measure again."""
    before, now = make_timing_run(*CALM), make_timing_run(*scale(CALM, factor))
    again = make_timing_run(*scale(CALM, next_factor)) if next_factor else None
    result = judge(now, before, again=again)["timing/steady-epoch[mlp-graph-cpu]"]
    assert result.verdict is verdict
    assert result.command.startswith(f"pytest '{STEADY}' --benchmark-json again.json; ") is (verdict != Verdict.PASS)
    assert result.figure.startswith(f"{min(factor, next_factor or factor):.2f} of the baseline's time")


def test_several_processes_widen_the_interval(make_timing_run: Any) -> None:
    """If the baseline's processes differ in speed, a run with a speed between them is not a regression."""
    slow, fast = make_timing_run(*scale(CALM, 1.5)), make_timing_run(*scale(CALM, 0.9))
    now, again = make_timing_run(*scale(CALM, 1.3)), make_timing_run(*scale(CALM, 1.31))
    assert {result.verdict for result in judge(now, fast, again=again).values()} == {Verdict.REGRESSED}
    assert {result.verdict for result in judge(now, fast, slow, again=again).values()} == {Verdict.INCONCLUSIVE}


def test_a_benchmark_that_was_due_and_not_measured_is_missing(make_timing_run: Any) -> None:
    """A renamed, deselected or uncollected benchmark has a verdict of its own, and the exit status is not 0."""
    results = judge(make_timing_run(*CALM), make_timing_run(*CALM), due=(STEADY, EVALUATION, "b.py::test_gone"))
    assert results["timing/gone"].verdict is Verdict.MISSING
    assert exit_status(results.values()) == 3


def test_a_failed_test_is_missing_though_it_was_timed(make_timing_run: Any) -> None:
    """If a test fails after the timing, the times are not used."""
    now = make_timing_run(*CALM)
    now["mnist_bench"]["failed"] = [STEADY]
    results = judge(now, make_timing_run(*CALM))
    assert results["timing/steady-epoch[mlp-graph-cpu]"].verdict is Verdict.MISSING
    assert results["timing/evaluation[mlp-graph-cpu]"].verdict is Verdict.PASS


def test_a_benchmark_that_cannot_be_compared_has_no_baseline(make_timing_run: Any) -> None:
    """There is no run, no such benchmark in the run, other data, no rounds, or no entry in the manifest."""
    now, other_data, no_rounds, renamed = (make_timing_run(*CALM) for _ in range(4))
    for timing in other_data["benchmarks"]:
        timing["extra_info"]["dataset_digest"] = "f" * 64
    for timing in no_rounds["benchmarks"]:
        timing["stats"]["data"] = []
    for timing in renamed["benchmarks"]:
        timing["fullname"] = timing["fullname"].replace("test_", "test_other_")
    for before, words in (
        ((), "no accepted run"),
        ((renamed,), "no accepted run"),
        ((other_data,), "has other data"),
        ((no_rounds,), "not saved"),
    ):
        results = judge(now, *before)
        assert {result.verdict for result in results.values()} == {Verdict.NO_BASELINE}
        assert all(words in result.figure for result in results.values())
        assert exit_status(results.values()) == 4
    stranger = judge(now, now, due=(STEADY,))["timing/evaluation[mlp-graph-cpu]"]
    assert "not in the manifest" in stranger.figure
    assert stranger.command in str(manifest.__doc__)  # that command takes no run: its help shows how to call it


def test_a_gpus_time_has_no_unit_on_other_hardware(make_timing_run: Any) -> None:
    """The controls run on the CPU, so times on a GPU are compared on the same hardware only."""
    before, now = (make_timing_run(*CALM, gpu="A GPU") for _ in range(2))
    elsewhere = make_timing_run(*CALM, gpu="A GPU", cpu="CPU f")
    due = tuple(name.replace("-cpu]", "-gpu]") for name in (STEADY, EVALUATION))
    assert {result.verdict for result in judge(now, before, due=due).values()} == {Verdict.PASS}
    results = judge(now, elsewhere, due=due)
    assert {result.verdict for result in results.values()} == {Verdict.NO_BASELINE}
    assert all("on the same hardware only" in result.figure for result in results.values())


def test_a_control_that_was_not_measured_is_an_error(make_timing_run: Any) -> None:
    """On other hardware and without the control there is nothing to compare by."""
    before, now = make_timing_run(*CALM, cpu="CPU f"), make_timing_run(*CALM)
    for timing in now["benchmarks"]:
        del timing["extra_info"]["controls"]["sgemm"]
    with pytest.raises(ValueError, match="control 'sgemm' was not measured"):
        judge(now, before)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"controls": 0.95}, "this machine is 1.9 times slower than the baseline's was (sgemm)", id="slow"),
        pytest.param({"others": 0.5}, "other processes used 50% of the cores", id="busy"),
    ],
)
@pytest.mark.parametrize("factor", [1.25, 1.9, 2.6, 9.0])
def test_a_slow_or_busy_machine_is_no_regression(
    factor: float, options: dict[str, float], words: str, make_timing_run: Any
) -> None:
    """Whatever the times are, the answer is that there is none, and why; the processor time stands with it."""
    now, again = (make_timing_run(*scale(CALM, factor * more), **options) for more in (1, 1.02))
    results = judge(now, *(make_timing_run(*scale(CALM, more)) for more in (1, 1.01, 1.02)), again=again)
    assert {result.verdict for result in results.values()} == {Verdict.INCONCLUSIVE}
    assert all(result.evidence.startswith(words) for result in results.values())
    assert all("; processor time " in result.evidence for result in results.values())
    assert exit_status(results.values()) == 3


def test_a_neighbour_on_other_hardware_is_no_regression(make_timing_run: Any) -> None:
    """The unit says how fast the other machine is, and not how much of it was there."""
    before = make_timing_run(*CALM, cpu="CPU f")
    results = judge(make_timing_run(*scale(CALM, 2.2), others=0.5), before)
    assert {result.verdict for result in results.values()} == {Verdict.INCONCLUSIVE}


def test_a_quarter_more_work_is_found_in_steady_epochs(make_timing_run: Any) -> None:
    """On the same machine 25% more work has regressed; one run of it does not pass."""
    before = [make_timing_run(*scale(CALM, more), others=0.01) for more in (1, 1.01, 1.02)]
    now, again = (make_timing_run(*scale(CALM, more), others=0.01) for more in (1.25, 1.26))
    name = "timing/steady-epoch[mlp-graph-cpu]"
    assert judge(now, *before, again=again)[name].verdict is Verdict.REGRESSED
    assert judge(now, *before)[name].verdict is Verdict.INCONCLUSIVE


def test_a_faster_machine_hides_no_regression(make_timing_run: Any) -> None:
    """The same time on a machine of half the time is no PASS; half the time is."""
    before, now = make_timing_run(*CALM), make_timing_run(*CALM, controls=0.25)
    results = judge(now, before)
    assert {result.verdict for result in results.values()} == {Verdict.INCONCLUSIVE}
    assert all(result.evidence.startswith("this machine is 2.0 times faster") for result in results.values())
    half = judge(make_timing_run(*scale(CALM, 0.5), controls=0.25), before)
    assert {result.verdict for result in half.values()} == {Verdict.PASS}


def test_counts_stand_with_a_verdict_and_decide_nothing(make_timing_run: Any) -> None:
    """Instructions are named where both sides have them: a slower epoch of as many instructions is as slow."""
    before, now, again = (make_timing_run(*scale(CALM, factor)) for factor in (1.0, 1.4, 1.41))
    plain = judge(now, before, again=again)["timing/steady-epoch[mlp-graph-cpu]"]
    for run, count in ((before, 1000), (now, 1010), (again, 1010)):
        for timing in run["benchmarks"]:
            timing["extra_info"]["counts"] = {"instructions": [count] * len(CALM)}
    counted = judge(now, before, again=again)["timing/steady-epoch[mlp-graph-cpu]"]
    assert plain.verdict is counted.verdict is Verdict.REGRESSED
    assert "instructions 1.010 of the baseline's" in counted.evidence
    assert "instructions" not in plain.evidence


def test_another_model_of_cpu_is_other_hardware(make_timing_run: Any) -> None:
    """One name, two models: compared in units. A run without the details is compared by the key."""
    now, there, old = (make_timing_run(*scale(CALM, factor)) for factor in (1.4, 1, 1))
    now["machine_info"]["mnist_bench"]["details"] = {"cpu model": "17"}
    there["machine_info"]["mnist_bench"]["details"] = {"cpu model": "1"}
    assert all("(other hardware)" in result.figure for result in judge(now, there).values())
    assert all("other hardware" not in result.figure for result in judge(now, old).values())


def test_a_session_that_measured_nothing_has_everything_missing() -> None:
    """In a disabled session every benchmark that was due is MISSING."""
    results = judge_nothing([STEADY, EVALUATION], "benchmarks are disabled")
    assert [(result.verdict, result.figure) for result in results] == [(Verdict.MISSING, "benchmarks are disabled")] * 2
