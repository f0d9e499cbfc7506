"""Trainings with planted faults: what is trained, what accuracy and loss see, and the page that says so."""

from __future__ import annotations

import dataclasses
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.checks.baselines import Reference
from mnist_bench.checks.faults.registry import FAULTS
from mnist_bench.checks.selftest.effects import CLASSES, FaultEffects, find_effects
from mnist_bench.checks.selftest.effects_report import format_effects
from mnist_bench.checks.selftest.records import Figures, SelftestTrainings, Training
from mnist_bench.checks.selftest.run import list_faults
from mnist_bench.checks.selftest.trainings import Task, list_trainings, train_faults, train_faults_there
from mnist_bench.records.acceptance import Acceptance, now
from mnist_bench.training.workers.interpreters import CommandError
from tests.checks.selftest.test_selftest import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from mnist_bench.records.training import TrainingRecord

SEEDS = (1671, 1672, 1673)
SD = 0.001  # of the reference's accuracies; a loss varies ten times as much
DIGEST = "a" * 64


def make_training(
    fault: str, seed: int, *, accuracy: float, loss: float | None, initial: str = DIGEST, early: float = 0.5
) -> Training:
    """Return a training of two epochs."""
    figures = Figures(
        accuracy=accuracy,
        loss=loss,
        losses=[early, 0.2],
        class_errors=[10] * 10,
        initial_digest=initial,
    )
    return Training(fault=fault, lab="mlp", seed=seed, figures=figures)


def make_group(fault: str, *, gain: float = 0.0, loss: float | None = 0.08, **further: Any) -> list[Training]:
    """Return trainings of three seeds, whose accuracies differ by a seed and by a fault's gain."""
    return [
        make_training(fault, seed, accuracy=0.976 + place * SD + gain + 1e-5 * place, loss=loss, **further)
        for place, seed in enumerate(SEEDS)
    ]


@pytest.fixture
def reference(record: TrainingRecord) -> Reference:
    """A reference of a hundred seeds with a normal spread."""
    values = np.random.default_rng(0).normal(0, SD, 100)
    return Reference(
        engine="epoch",
        epochs=2,
        seeds=list(range(100)),
        test_accuracy=[round(float(0.977 + value), 4) for value in values],
        test_loss=[float(0.08 + 10 * value) for value in values],
        environment=record.environment,
        acceptance=Acceptance(who="a test", when=now(), why="a test", forced=[]),
        epoch_losses={"1": [float(0.5 + value) for value in values]},
        class_errors=[[10 + place % 3] * 10 for place in range(100)],
    )


def make_record(record: TrainingRecord, *groups: list[Training]) -> SelftestTrainings:
    """Return a record of trainings without a fault and of these."""
    trainings = [*make_group(""), *(training for group in groups for training in group)]
    return SelftestTrainings(
        environment=record.environment, engine="epoch", dataset=record.dataset, trainings=trainings
    )


def judge(record: TrainingRecord, reference: Reference, *groups: list[Training]) -> dict[str, FaultEffects]:
    """Return the effects by fault."""
    found = find_effects(make_record(record, *groups), {"mlp": reference})
    return {it.fault: it for it in found}


def test_a_fault_is_trained_by_its_lab_and_the_weakest_strength_comes_first() -> None:
    """The seeds without a fault come first, each lab's; faults of time and memory change no figure."""
    faults = [*list_faults("epoch", ["momentum", "dropout-scale"]), *list_faults("epoch", ["leak"])]
    tasks = list_trainings(faults, [1, 2])
    assert tasks[:4] == [Task("", "mlp", 1), Task("", "mlp", 2), Task("", "dropout", 1), Task("", "dropout", 2)] or (
        tasks[:4] == [Task("", "dropout", 1), Task("", "dropout", 2), Task("", "mlp", 1), Task("", "mlp", 2)]
    )
    named = list(dict.fromkeys(task.fault for task in tasks[4:]))
    assert {*named[:2]} == {"momentum:0.01", "dropout-scale:0.999"}
    assert named[-1] in ("momentum:0.9", "dropout-scale:0.7")
    assert all((task.lab == "dropout") == task.fault.startswith("dropout") for task in tasks if task.fault)
    assert not any(task.fault.startswith("leak") for task in tasks)


@pytest.mark.slow
def test_a_lab_is_trained_with_a_fault_and_without() -> None:
    """Momentum leaves other figures, and the same initial weights; a process that dies costs its own training alone."""
    tasks = [Task("", "mlp", -1), Task("", "mlp", 5), Task("momentum:0.9", "mlp", 5)]
    lost, clean, faulty = train_faults(tasks, engine="epoch", source="digits", jobs=1, epochs=1)
    assert (clean.fault, faulty.fault) == ("", "momentum:0.9")
    assert clean.figures
    assert faulty.figures
    assert clean.figures.initial_digest == faulty.figures.initial_digest
    assert clean.figures.losses[0] != faulty.figures.losses[0]
    assert len(clean.figures.class_errors) == 10
    assert lost.figures is None
    assert "the process ended with exit code 1: ValueError: seed -1 is not allowed" in lost.problem


class SilentServer:
    """A server whose trainings end without a record; it keeps for how many epochs it was asked."""

    def __init__(self) -> None:
        """Ask nothing yet."""
        self.asked: list[int | None] = []

    def __call__(self, source: str) -> Self:
        """Return the server, as its class does."""
        assert source == "digits"
        return self

    def __enter__(self) -> Self:
        """Return the server."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is to be ended."""

    def ask(self, **request: Any) -> Iterator[dict[str, Any]]:
        """Give no record."""
        self.asked.append(request["epochs"])
        yield {"event": "failed", "reason": "a test"}


def test_a_lab_is_trained_in_full_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that trains is asked for the lab's own epochs."""
    server = SilentServer()
    monkeypatch.setattr("mnist_bench.checks.selftest.server.Server", server)
    asked: dict[str, Any] = {"engine": "epoch", "source": "digits", "jobs": 1}
    (lost,) = train_faults([Task("", "mlp", 5)], **asked)
    assert lost.problem == "a test"
    list(train_faults([Task("", "mlp", 5)], **asked, epochs=3))
    assert server.asked == [None, 3]


def test_a_cluster_s_trainings_are_read() -> None:
    """Each training is a task; a result is a training again, and one that is lost is named."""
    training = make_training("momentum:0.1", 5, accuracy=0.9, loss=None)
    cluster: Any = FakeCluster(None, dataclasses.asdict(training))
    tasks = [Task("", "mlp", 5), Task("momentum:0.1", "mlp", 5)]
    assert list(train_faults_there(tasks, cluster, engine="epoch", source="x")) == [training]
    assert cluster.asked[1] == ("momentum:0.1", "mlp", 5, "epoch", "x")
    lost: Any = FakeCluster(RuntimeError("out of\nluck"))
    with pytest.raises(CommandError, match=r"^no fault: out of luck$"):
        list(train_faults_there(tasks, lost, engine="epoch", source="x"))


def test_the_seeds_that_a_change_needs(record: TrainingRecord, reference: Reference) -> None:
    """A loss of three sd is seen by few pairs and few seeds, one of two sd by more seeds, one of 0.2 sd by none."""
    found = judge(
        record,
        reference,
        make_group("momentum:0.9", gain=-3 * SD),
        make_group("momentum:0.1", gain=-1.9 * SD),
        make_group("momentum:0.01", gain=-0.2 * SD),
    )
    strong, weak, weakest = (found[f"momentum:{it}"].effects["accuracy"] for it in ("0.9", "0.1", "0.01"))
    assert strong.sds == pytest.approx(-3, rel=0.15)
    assert (strong.pairs, strong.seeds) == (3, 5)
    assert weak.pairs == 3
    assert weak.seeds == 10
    assert (weakest.pairs, weakest.seeds) == (None, None)
    assert found["momentum:0.9"].find_fewest(paired=True) == 3
    assert found["momentum:0.01"].find_fewest(paired=False) is None


def test_a_gain_has_to_exceed_the_margin_beyond_chance(record: TrainingRecord, reference: Reference) -> None:
    """A gain is BETTER later than a loss of the same size is REGRESSED."""
    gained = judge(record, reference, make_group("momentum:0.9", gain=2.2 * SD))["momentum:0.9"].effects["accuracy"]
    lost = judge(record, reference, make_group("momentum:0.9", gain=-2.2 * SD))["momentum:0.9"].effects["accuracy"]
    assert lost.seeds is not None
    assert (gained.seeds or inf) > lost.seeds


def test_a_loss_that_is_not_finite_is_seen_at_once(record: TrainingRecord, reference: Reference) -> None:
    """It is REGRESSED at the first look."""
    found = judge(record, reference, make_group("momentum:0.9", loss=None))["momentum:0.9"]
    assert found.effects["loss"].change == inf
    assert (found.effects["loss"].pairs, found.effects["loss"].seeds) == (3, 5)
    assert "not finite" in format_effects(make_record(record, make_group("momentum:0.9", loss=None)), [found])


def test_seeds_are_pairs_where_their_random_numbers_are_the_same(record: TrainingRecord, reference: Reference) -> None:
    """Neither other initial weights nor a fault of the random numbers leaves pairs."""
    found = judge(
        record,
        reference,
        make_group("momentum:0.9"),
        make_group("initialiser-scaled:1.01", initial="b" * 64),
        make_group("shuffle-frozen:1"),
    )
    assert {fault: it.paired for fault, it in found.items()} == {
        "momentum:0.9": True,
        "initialiser-scaled:1.01": False,
        "shuffle-frozen:1": False,
    }


def test_a_figure_without_a_margin_sees_what_the_gate_s_figures_do_not(
    record: TrainingRecord, reference: Reference
) -> None:
    """A training loss that moves by three sd after the first epoch is seen, whatever the accuracy does."""
    found = judge(record, reference, make_group("momentum:0.01", early=0.503))["momentum:0.01"]
    assert found.find_fewest(paired=True) is None
    assert found.find_fewest(["training loss after epoch 1"], paired=False) == 5
    page = format_effects(make_record(record, make_group("momentum:0.01", early=0.503)), [found])
    assert "| training loss after epoch 1, no margin | 1 | 1 | 1 | 1 | 1 |" in page


def draw_fault(fault: str, rng: np.random.Generator) -> list[Training]:
    """Return trainings that differ from those without a fault by chance alone, as much as two seeds differ."""
    noisy = []
    for training in make_group(fault):
        assert training.figures
        moves = rng.normal(0, SD * 2**0.5, 2)
        classes = (10 + rng.normal(0, 0.82 * 2**0.5, 10)).round().astype(int).tolist()
        early = [training.figures.losses[0] + float(moves[1]), *training.figures.losses[1:]]
        figures = dataclasses.replace(training.figures, losses=early, class_errors=classes)
        noisy.append(dataclasses.replace(training, figures=figures))
    return noisy


def test_noise_of_a_figure_without_a_margin_is_no_effect(record: TrainingRecord, reference: Reference) -> None:
    """Of a hundred groups of three seeds without any effect, few are taken for one."""
    rng = np.random.default_rng(1)
    found = [judge(record, reference, draw_fault("momentum:0.9", rng))["momentum:0.9"] for _ in range(100)]
    early = [it for it in found if it.find_fewest(["training loss after epoch 1"], paired=True)]
    classes = [it for it in found if it.find_fewest([CLASSES], paired=True)]
    assert len(early) <= 5
    assert len(classes) <= 5


def test_the_sharpest_figure_is_named(record: TrainingRecord, reference: Reference) -> None:
    """It needs the fewest pairs; of two the gate's own; none where nothing sees the fault."""
    found = judge(
        record,
        reference,
        make_group("momentum:0.9", gain=-3 * SD, early=0.6),
        make_group("momentum:0.1", early=0.6),
        make_group("momentum:0.01"),
    )
    assert found["momentum:0.9"].find_sharpest() == ("accuracy", 3)
    assert found["momentum:0.1"].find_sharpest() == ("training loss after epoch 1", 3)
    assert found["momentum:0.01"].find_sharpest() is None


def test_too_few_seeds_are_no_effect(record: TrainingRecord, reference: Reference) -> None:
    """Two pairs have no spread; a lab without a reference, or a seed without a clean training, has nothing."""
    assert judge(record, reference, make_group("momentum:0.9")[:2]) == {}
    assert find_effects(make_record(record, make_group("momentum:0.9")), {}) == []


def test_the_page_of_effects(record: TrainingRecord, reference: Reference) -> None:
    """The first sentence has the shares of the weakest; a training that died has its reason in its row."""
    died = [Training(fault="nesterov:0.01", lab="mlp", seed=seed, figures=None, problem="no | luck") for seed in SEEDS]
    trained = make_record(record, make_group("momentum:0.9", gain=-0.01), make_group("momentum:0.01"), died)
    gone = make_group("step-longer:1.001", gain=-0.01)
    trained = dataclasses.replace(trained, trainings=[*trained.trainings, *gone])
    page = format_effects(trained, find_effects(trained, {"mlp": reference}))
    assert page.startswith(
        "## What accuracy and loss alone see\n\n3 of the faults were planted in full trainings, each at its weakest, "
    )
    assert "**The lab's accuracy threshold sees 1 (33%) of them." in page
    assert "compared with a stored reference, see 1 (33%).**" in page
    assert (
        "1 did not train at all. Stronger strengths of these faults that were trained, too: 1. The threshold sees "
        "1 (100%) of them" in page
    )
    assert "| momentum | 0.9 | -1.00 | " in page
    assert "| yes | 3 | 5 |" in page or "| yes | 5 | 5 |" in page
    assert "| momentum | 0.01 | +0.00 | +0.0 | +0.0000 | +0.0 |  | - | - |" in page
    assert "| nesterov | 0.01 | did not end: no \\| luck |" in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"figures": None}, "either figures or a problem"),
        ({"problem": "x"}, "either figures or a problem"),
        ({"lab": "../x"}, "lab '../x' is not allowed"),
    ],
)
def test_a_training_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    """Figures or a reason."""
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(make_training("momentum:0.9", 5, accuracy=0.9, loss=0.1), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accuracy": 1.5}, "accuracy"),
        ({"losses": []}, "losses: the list is empty"),
        ({"class_errors": [-1]}, "class_errors"),
    ],
)
def test_figures_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    """Each is within its range, and there are some."""
    figures = make_training("momentum:0.9", 5, accuracy=0.9, loss=0.1).figures
    assert figures
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(figures, **change)


def test_a_training_counts_once(record: TrainingRecord) -> None:
    """The same fault and seed twice would be two pairs."""
    twice = make_group("momentum:0.9")
    with pytest.raises(ValueError, match=r"momentum:0\.9, mlp, seed 1671 is there twice"):
        make_record(record, twice, twice)


def test_every_fault_names_a_lab() -> None:
    """Dropout's faults show where there is dropout."""
    assert {it.lab for name, it in FAULTS.items() if name.startswith("dropout")} == {"dropout"}
    assert {it.lab for name, it in FAULTS.items() if not name.startswith("dropout")} == {"mlp"}
