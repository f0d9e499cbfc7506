"""The self-test: planted faults are seen, the page says what is seen and what is not."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.checks.faults.registry import CLOCKED, FAULTS, PLACES
from mnist_bench.checks.selftest.effects import Effect, FaultEffects
from mnist_bench.checks.selftest.records import CleanRun, Outcome, SelftestRecord
from mnist_bench.checks.selftest.report import MARK, find_missed, format_report, is_right
from mnist_bench.checks.selftest.run import find_failing, list_faults, run_clean, run_faults, run_faults_there
from mnist_bench.checks.selftest.server import Server
from mnist_bench.records.serial import load
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.workers.interpreters import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Self

    from mnist_bench.records.training import TrainingRecord

# Of several families, at weak strengths; `mnist-bench selftest` plants all faults.
FEW = ["labels-shifted:0.005", "step-longer:1.05", "seeds-collide:4", "dropout-same-mask:1"]


def list_fast_half() -> list[Outcome]:
    """Return what docs/selftest.json says of the half of the faults that is seen soonest.

    Each is taken at the weakest strength that is seen.
    """
    record = load(Path(__file__).parents[3] / "docs" / "selftest.json", SelftestRecord)
    seen = [it for it in record.outcomes if it.key in PLACES and FAULTS[it.fault].family != CLOCKED and it.first]
    weakest = {it.fault: it for it in sorted(seen, key=lambda it: PLACES[it.key])}
    return sorted(weakest.values(), key=lambda it: it.first_seconds or 0)[: len(weakest) // 2]


def check_seen(keys: Sequence[str], other_cause: Sequence[str] = ()) -> None:
    """Plant faults: each is seen by the fast checks, and the cause named is right but for some faults."""
    known = ["contract/new-order[graph]"]  # frozen in some versions of Keras
    outcomes = list(run_faults(keys, engine="graph", source="digits", failing=known, jobs=1))
    assert sorted(it.key for it in outcomes) == sorted(keys)
    wrong = {
        it.key: (it.first, it.sentence, it.problems)
        for it in outcomes
        if it.first is None or not (is_right(it) or it.key in other_cause)
    }
    assert wrong == {}


def test_planted_faults_are_seen() -> None:
    """Each is seen by the fast checks, and the cause that is named is the fault."""
    check_seen(FEW)


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, 1])
def test_the_fast_half_is_seen(part: int) -> None:
    """What docs/selftest.md says of the half of the faults that are seen soonest holds today."""
    fast = list_fast_half()
    assert len(fast) > 40
    check_seen([it.key for it in fast[part::2]], [it.key for it in fast if not is_right(it)])


def make(fault: str, strength: float, *, seen: bool = True, right: bool = True) -> Outcome:
    """Return an outcome."""
    return Outcome(
        fault=fault,
        strength=strength,
        first="arithmetic/oracle[mlp-graph]" if seen else None,
        first_seconds=1.5 if seen else None,
        seconds=3.0,
        seen_by=["arithmetic/oracle[mlp-graph]"] if seen else [],
        unreadable=[],
        cause=FAULTS[fault].causes[0] if seen and right else "unknown" if seen else "",
        sentence="each update is 1.05 times" if seen else "",
    )


class FakeCluster:
    """A cluster whose tasks end as a test has them end."""

    def __init__(self, *results: Any) -> None:
        """Take what the tasks end in."""
        self.results, self.asked = results, list[Any]()

    def run(self, function: Any, tasks: Any) -> Any:
        """Give the results."""
        del function
        self.asked += tasks
        return enumerate(self.results)


def test_a_cluster_s_outcomes_are_read() -> None:
    """Each fault is a task; a result is an outcome again, and where there is no worker for a while nothing is lost."""
    outcome = make("momentum", 0.1)
    cluster: Any = FakeCluster(None, dataclasses.asdict(outcome))
    found = run_faults_there(["step-longer:1.05", "momentum:0.1"], cluster, engine="graph", source="x", failing=["a"])
    assert list(found) == [outcome]
    assert cluster.asked[1] == ("momentum:0.1", "graph", "x", ["a"])
    silent: Any = FakeCluster(["contract/new-order[graph]"])
    assert find_failing("graph", "digits", silent) == ["contract/new-order[graph]"]


def test_a_cluster_that_gives_no_answer_is_named() -> None:
    """The fault is named, with the reason on one line."""
    cluster: Any = FakeCluster(RuntimeError("out of\nluck"))
    with pytest.raises(CommandError, match=r"^momentum:0.1: out of luck$"):
        list(run_faults_there(["momentum:0.1"], cluster, engine="graph", source="x", failing=[]))
    with pytest.raises(CommandError, match="the checks without a fault: out of luck"):
        find_failing("graph", "digits", cluster)


class FakeServer:
    """A server whose checks end as the test has them end, in turn."""

    made: list[FakeServer]
    verdicts: Iterator[Verdict]

    def __init__(self, source: str) -> None:
        """Count the processes."""
        assert source == "digits"
        self.made.append(self)

    def __enter__(self) -> Self:
        """Return the server."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is to be ended."""

    def ask(self, **request: Any) -> Iterator[dict[str, Any]]:
        """Give two results."""
        assert request == {"answer": "checks", "fault": "", "engine": "graph", "ignored": ["b"]}
        for name, verdict in (("a", Verdict.PASS), ("c", next(self.verdicts))):
            result = CheckResult(name=name, verdict=verdict, figure="x", bound="y")
            yield {"event": "checked", "result": dataclasses.asdict(result), "seconds": 1.234}


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[FakeServer]:
    """Have servers be fakes; return those that were made."""
    FakeServer.made = []
    FakeServer.verdicts = iter([Verdict.PASS, Verdict.REGRESSED, Verdict.INCONCLUSIVE])
    monkeypatch.setattr("mnist_bench.checks.selftest.server.Server", FakeServer)
    return FakeServer.made


def test_each_run_without_a_fault_has_a_process_of_its_own(processes: list[FakeServer]) -> None:
    """A fork would share the memory and the hashes' seed with the others; what the checks say is kept."""
    runs = list(run_clean(3, engine="graph", source="digits", failing=["b"], jobs=1))
    assert runs == [
        CleanRun(seconds=1.23, held=2),
        CleanRun(seconds=1.23, held=1, alarms=["c"]),
        CleanRun(seconds=1.23, held=1, problems=["c: x"]),
    ]
    assert len(processes) == 3


class FakeChild:
    """A process that has answered."""

    def __init__(self, *events: dict[str, Any]) -> None:
        """Take the events."""
        self.events, self.words = iter(events), "of an earlier fork"

    def send(self, _request: object) -> None:
        """Nothing is to be done."""

    def read(self) -> dict[str, Any]:
        """Give the next event."""
        return next(self.events)

    def forget(self) -> None:
        """Leave out what an earlier fork has said."""
        self.words = "out of luck"

    def read_last_words(self) -> str:
        """Give the end of the log."""
        return self.words


@pytest.mark.parametrize(
    ("ending", "late", "reason"),
    [
        ("time.sleep(20)", True, "no end within 1 s"),
        ("sys.exit(3)", False, "the process ended with exit code 1: out of luck"),
        ("os.kill(os.getpid(), 9)", False, "the process was killed by SIGKILL: out of luck"),
    ],
)
def test_how_a_fork_ends_is_told(
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    late: bool,  # noqa: FBT001 - pytest gives it by name
    reason: str,
) -> None:
    """One that hangs is ended, and what it said last is not taken for the reason."""
    program = (
        "import json, os, sys, time\n"
        "from mnist_bench.checks.selftest import serve\n"
        "serve._LIMIT_SECONDS = 1\n"
        f"serve._answer = lambda *_, **__: {ending}\n"
        "serve._fork({}, '', None, lambda **event: print(json.dumps(event)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    event = json.loads(done.stdout)
    assert (event["event"], event["late"]) == ("failed", late)
    child = FakeChild({"event": "ready"}, event)
    monkeypatch.setattr("mnist_bench.checks.selftest.server.Child", lambda _: child)
    assert list(Server("digits").ask(answer="x")) == [{"event": "failed", "reason": reason}]


@pytest.fixture
def selftest(record: TrainingRecord) -> SelftestRecord:
    """A self-test of three faults, one of them unseen, and one seen with another cause."""
    return SelftestRecord(
        environment=record.environment,
        engine="graph",
        failing=["contract/new-order[graph]"],
        outcomes=[make("step-longer", 1.05), make("run-differs", 0.05, seen=False), make("momentum", 0.1, right=False)],
    )


def test_the_page_says_what_is_seen(selftest: SelftestRecord) -> None:
    """The first paragraph has the figures; what is not seen, or taken for something else, is listed with the reason."""
    page = format_report(selftest)
    assert page.startswith(f"{MARK}\n\n3 faults were planted")
    assert "saw 2 of them (67%)" in page
    assert "named the right cause of 1 (50% of those seen)" in page
    assert (
        "| step-longer | the learning rate is too large (DeepCrime) | 1.05 | `arithmetic/oracle` | 1.5 | step size |"
        in page
    )
    assert f"- run-differs 0.05: {FAULTS['run-differs'].unseen}." in page
    assert "- momentum 0.1: each update is 1.05 times." in page
    assert "`contract/new-order[graph]`" in page


def test_the_first_paragraph_says_what_accuracy_and_loss_see(selftest: SelftestRecord) -> None:
    """Of the faults that were trained in full, at their weakest; and which of them the checks do not see."""

    def make_effects(fault: str, seeds: int | None, *, below: bool) -> FaultEffects:
        effects = {"accuracy": Effect(-0.01, -8.0, seeds, seeds), "loss": Effect(0.0, 0.0, None, None)}
        return FaultEffects(fault, "mlp", 3, problem="", below=below, paired=True, effects=effects)

    outcomes = [dataclasses.replace(it, strength=FAULTS[it.fault].strengths[-1]) for it in selftest.outcomes]
    selftest = dataclasses.replace(selftest, outcomes=[*outcomes, make("momentum", 0.9)])
    seen = [make_effects("step-longer:1.001", 5, below=True), make_effects("momentum:0.01", None, below=False)]
    seen.append(make_effects("momentum:0.9", 5, below=True))  # no share has it: a weaker one is there
    page = format_report(selftest, [*seen, make_effects("run-differs:0.05", None, below=False)])
    first = page.splitlines()[2]
    assert "3 of the faults were trained in full, too, each at its weakest strength alone: of these the lab's" in first
    assert "threshold sees 33%, accuracy and loss of 20 seeds see 33%, and the fast checks 67%." in first
    assert "Accuracy and loss see nothing that the checks do not." in first
    page = format_report(selftest, [*seen, make_effects("run-differs:0.05", 10, below=False)])
    assert "Accuracy and loss alone see run-differs 0.05." in page.splitlines()[2]


def test_the_first_paragraph_says_how_often_the_alarm_is_false(selftest: SelftestRecord) -> None:
    """The bound is that of Clopper and Pearson: 3 in the number of runs, about, where there was no alarm."""
    clean = [CleanRun(seconds=20, held=25)] * 100
    page = format_report(dataclasses.replace(selftest, clean=clean))
    told = "the same checks (25 of them) ran 100 times, each time in a fresh process: 0 runs had a false alarm"
    assert f"{told} (at most 3.0%, with 95% confidence)." in page.splitlines()[2]
    assert "In the runs without any fault" not in page
    clean[:2] = [CleanRun(seconds=20, held=24, alarms=["contract/a"]), CleanRun(seconds=1, held=24, problems=["b: c"])]
    page = format_report(dataclasses.replace(selftest, clean=clean))
    assert "ran 99 times, each time in a fresh process: 1 runs had a false alarm" in page
    assert "(at most 4.7%, with 95% confidence); 1 more runs had a check without an answer." in page
    assert "- `contract/a`, a false alarm, in 1 of 100.\n- no answer: b: c, in 1 of 100.\n" in page


def test_a_run_in_which_nothing_was_checked_is_no_run() -> None:
    """It would count as one without an alarm."""
    with pytest.raises(ValueError, match="nothing was checked"):
        CleanRun(seconds=1, held=0)


def test_a_fault_that_nobody_saw_is_missed_unless_that_is_explained(selftest: SelftestRecord) -> None:
    """An explained fault is no surprise; another one is a hole in the checks."""
    assert find_missed(selftest) == []
    unseen = make("step-longer", 2, seen=False)
    assert find_missed(dataclasses.replace(selftest, outcomes=[*selftest.outcomes, unseen])) == [unseen]


def test_a_strength_is_told_as_it_is_typed(selftest: SelftestRecord) -> None:
    """`--fault pixels-scaled:0.996094` plants 255/256, and the page says so."""
    rounded = dataclasses.replace(selftest, outcomes=[make("pixels-scaled", 0.996094)])
    assert "| 0.996094 | `arithmetic/oracle` |" in format_report(rounded)


def test_a_record_holds_each_fault_once(selftest: SelftestRecord) -> None:
    """The same fault at the same strength twice would count twice."""
    with pytest.raises(ValueError, match="step-longer:1\\.05 is there twice"):
        dataclasses.replace(selftest, outcomes=[*selftest.outcomes, make("step-longer", 1.05)])


def test_faults_are_listed_by_engine() -> None:
    """The fused engine does not call `fit`; it shares the initial weights."""
    assert list_faults("graph", ["step-longer"]) == ["step-longer:2", "step-longer:1.05", "step-longer:1.001"]
    assert len(list_faults("graph")) > len(list_faults("fused")) > 0
    with pytest.raises(ValueError, match="fault 'step-longer' shows in the engines eager, graph, xla, epoch, not in"):
        list_faults("fused", ["step-longer"])
    with pytest.raises(ValueError, match="unknown fault 'x'"):
        list_faults("graph", ["x"])


def test_a_table_without_what_was_expected(selftest: SelftestRecord) -> None:
    """A fault that no longer exists is no miss, and a table in which nothing was seen has no median."""
    old = dataclasses.replace(make("momentum", 0.1, seen=False), fault="gone")
    none = dataclasses.replace(selftest, outcomes=[old, make("run-differs", 0.05, seen=False)])
    assert find_missed(none) == []
    assert "checks saw 0 of them (0%) and named the right cause of 0 (none of those seen)" in format_report(none)


@pytest.mark.parametrize(
    "fields", [{"first": None}, {"first_seconds": None}, {"seen_by": []}, {"first": "contract/new-order[graph]"}]
)
def test_an_outcome_that_contradicts_itself_is_refused(fields: dict[str, Any]) -> None:
    """The first check is one of those that saw the fault, and has its seconds."""
    with pytest.raises(ValueError, match=r"momentum:0\.1: first is "):
        dataclasses.replace(make("momentum", 0.1), **fields)
