"""Several runs: those that belong together, and the fastest of each benchmark."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mnist_bench.timing.records import convert_run
from mnist_bench.timing.runs import pick_fastest

STEADY = "b.py::test_steady_epoch[mlp-graph-cpu]"


def test_the_fastest_of_several_runs(make_timing_run: Any) -> None:
    """Each benchmark comes from the fastest run, even if a run has one benchmark only; all failures are kept."""
    whole, again = make_timing_run(2.0), make_timing_run(1.0)
    again["benchmarks"] = again["benchmarks"][:1]
    again["mnist_bench"]["failed"] = ["b.py::test_c"]
    for runs in ([whole, again], [again, whole]):
        run = pick_fastest([convert_run(content, "memory") for content in runs])
        assert {timing.fullname: timing.stats.data for timing in run.benchmarks} == {
            STEADY: [1.0],
            "b.py::test_evaluation[mlp-graph-cpu]": [4.0],
        }
        assert run.mnist_bench.failed == ["b.py::test_c"]


def test_runs_that_do_not_belong_together_have_no_fastest(make_timing_run: Any) -> None:
    """Runs of other versions or hardware, no run at all, and a run twice are refused."""
    run = convert_run(make_timing_run(1.0), "memory")
    for options in ({"tensorflow": "2.15.1"}, {"cpu": "CPU f"}):
        with pytest.raises(ValueError, match="do not belong together, they differ in their"):
            pick_fastest([run, convert_run(make_timing_run(1.0, **options), "memory")])
    with pytest.raises(ValueError, match="there is no run"):
        pick_fastest([])
    with pytest.raises(ValueError, match=r"the same run was given twice: b\.py::test_steady"):
        pick_fastest([run, run])
    for change in ({"datetime": "2026-01-02T00:00:00+00:00"}, {"benchmarks": run.benchmarks[1:]}):
        with pytest.raises(ValueError, match="the same run was given twice"):
            pick_fastest([run, dataclasses.replace(run, **change)])
    named = make_timing_run(2.0)
    for timing in named["benchmarks"]:
        timing["extra_info"]["dataset"] = "mnist"
    with pytest.raises(ValueError, match="they differ in their dataset: \\['digits', 'mnist'\\]"):
        pick_fastest([run, convert_run(named, "memory")])
