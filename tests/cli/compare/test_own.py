"""`compare --model`: what it measures, prints, writes and refuses, and how it ends; the sides are drawn."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.sides import MODEL, draw, make_probe, make_side, move
from mnist_bench.own.upgrade import decide
from mnist_bench.own.upgrade.comparison import compare_own
from mnist_bench.own.upgrade.decide import OwnDecided, OwnPlan
from mnist_bench.records.serial import save

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.own.records import OwnSide
    from mnist_bench.records.training import TrainingRecord

FILE = "def build(): ...\ndef data(): ...\n"


@pytest.fixture
def command(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command in a folder of its own, with a model file."""
    monkeypatch.chdir(tmp_path)
    Path("bench_net.py").write_text(FILE)
    return lambda *arguments: command("compare", *arguments)


@pytest.fixture
def pair(record: TrainingRecord) -> tuple[OwnSide, OwnSide]:
    """Two sides, the second with four more errors in each class of a hundred."""
    errors = draw(5)
    return make_side(record.environment, "a", errors), make_side(record.environment, "b", move(errors, more=4))


@pytest.fixture
def plans(pair: tuple[OwnSide, OwnSide], monkeypatch: pytest.MonkeyPatch) -> list[OwnPlan]:
    """The plans that were asked for, as these two sides were measured."""
    plans: list[OwnPlan] = []

    def measure(_sides: Any, plan: OwnPlan, _tell: Any) -> OwnDecided:
        plans.append(plan)
        return OwnDecided(compare_own(*pair), pair, 61.0, {"bench_net": 5.0})

    monkeypatch.setattr(decide, "decide_own", measure)
    return plans


def test_every_form_of_report(command: Callable[..., Any], plans: list[OwnPlan]) -> None:
    """The answer stands in the text, in JSON, in Markdown and on the page."""
    reports = ("--junit", "a.xml", "--markdown", "a.md", "--html", "a.html")
    answer = command("current", "current", "--same", "--model", "bench_net.py", "--budget", "20m", *reports, "--json")
    facts = json.loads(answer.out)
    assert (answer.status, facts["verdict"]) == (1, "REGRESSED")
    assert facts["answer"].startswith("Do not upgrade unseen to TensorFlow 2.21 with Keras 3.15: bench_net loses")
    for name in ("a.md", "a.html"):
        assert facts["answer"].split(":")[0] in Path(name).read_text()
    assert "accuracy of bench_net" in Path("a.html").read_text()
    assert "metric" in Path("a.xml").read_text()
    (plan,) = plans
    assert (plan.model.name, plan.margin, plan.budget_seconds, plan.only_bits) == ("bench_net", 0.01, 1200, False)


def test_the_margin_is_that_of_the_user(command: Callable[..., Any], plans: list[OwnPlan]) -> None:
    """Two points are 0.02."""
    answer = command("current", "current", "--same", "--model", "bench_net.py", "--margin", "2")
    assert answer.out.splitlines()[0].startswith("Do not upgrade unseen")
    assert answer.out.splitlines()[-1].startswith("61 s; records: results/")
    assert (plans[0].margin, plans[0].only_bits) == (0.02, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lab", "mlp"], "--lab is for the labs, not for --model: leave it out"),
        (["--engine", "graph"], "--engine is for the labs, not for --model: leave it out"),
        (["--data", "digits"], "--data is for the labs, not for --model: leave it out"),
        (["--in-turn"], "--in-turn is for the labs, not for --model: leave it out"),
        (["--only", "time"], "--only time is for the labs: leave it out"),
        (["--only", "bits", "--margin", "3"], "--margin is for --only all: leave it out"),
        (["--margin", "0"], "'0' is not allowed: percentage points above 0 and below 100"),
        (["--model", "nowhere.py"], "nowhere.py does not exist"),
        (["--model", "."], "is a folder"),
        ([], "both sides have the same"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) and value else "",
)
def test_bad_usage_measures_nothing(
    check_refused: Callable[..., Any],
    command: Callable[..., Any],
    plans: list[OwnPlan],
    arguments: list[str],
    message: str,
) -> None:
    """One line says what is wrong and what is allowed; exit status 2."""
    model = [] if "--model" in arguments else ["--model", "bench_net.py"]
    check_refused(command("current", "current", *model, *arguments), message)
    assert plans == []


def test_a_model_is_for_environments(check_refused: Callable[..., Any], command: Callable[..., Any]) -> None:
    """Records of versions were measured by the labs."""
    check_refused(command("2.18", "2.19", "--model", "bench_net.py"), "--model is for two environments: leave it out")


def test_two_records_give_the_same_answer(command: Callable[..., Any], pair: tuple[OwnSide, OwnSide]) -> None:
    """Nothing is measured; the margin may be another one."""
    for name, side in zip(("base.json", "new.json"), pair, strict=True):
        save(side, Path(name))
    answer = command("base.json", "new.json")
    assert answer.status == 1
    assert answer.out.startswith("Do not upgrade unseen to TensorFlow 2.21 with Keras 3.15: bench_net loses")
    assert command("base.json", "new.json", "--margin", "20", "--html", "a.html").out != answer.out
    assert Path("a.html").is_file()


def test_two_records_of_stages_are_compared(command: Callable[..., Any], record: TrainingRecord) -> None:
    """What `check --save-digests` has written: bits that moved are not decided without trainings."""
    for name, bits in (("base.json", "a"), ("new.json", "b"), ("again.json", "a")):
        save(make_probe(record.environment, bits), Path(name))
    answer = command("base.json", "new.json")
    assert (answer.status, "first stage that differs: forward: 1 Conv2D" in answer.out) == (3, True)
    assert command("base.json", "again.json").status == 0


@pytest.mark.parametrize(
    ("other", "options", "message"),
    [
        ("2.19", [], "base.json is a record of a model of your own, and 2.19 is none: name two such records"),
        ("new.json", ["--budget", "5m"], "--budget is for two environments: leave it out"),
        ("other.json", [], "sides of different model files cannot be compared"),
        ("broken.json", [], "broken.json: "),
    ],
    ids=["version", "budget", "file", "broken"],
)
def test_records_that_cannot_be_compared(
    check_refused: Callable[..., Any],
    command: Callable[..., Any],
    pair: tuple[OwnSide, OwnSide],
    other: str,
    options: list[str],
    message: str,
) -> None:
    """One line says why; exit status 2."""
    save(pair[0], Path("base.json"))
    save(pair[1], Path("new.json"))
    model = dataclasses.replace(MODEL, digest="0" * 64)
    empty = dataclasses.replace(pair[1], model=model, probe=None, trainings=[], timed=[])
    save(empty, Path("other.json"))
    Path("broken.json").write_text('{"kind": "own side", "schema_version": 1}')
    check_refused(command("base.json", other, *options), message)


def test_packages_that_were_not_measured_are_refused(
    command: Callable[..., Any], check_refused: Callable[..., None], pair: tuple[OwnSide, OwnSide]
) -> None:
    """The packages that differ are told first: they must be those of the environment that was measured."""
    save(pair[0], Path("a.json"))
    save(dataclasses.replace(pair[1], packages={"tensorflow-cpu": "2.20.0"}), Path("b.json"))
    told = "b.json: the packages have tensorflow-cpu 2.20.0, and $.environment.tensorflow is '2.21.0'"
    check_refused(command("a.json", "b.json"), told)
