"""The walk: the sheet's facts in the sheet's order, from real trainings that are kept."""

from __future__ import annotations

import dataclasses
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import write_record
from fixtures.records import retrain
from mnist_bench.checks.baselines import AccuracyBaseline, Reference, accuracy_path
from mnist_bench.checks.sheet.figures import check_sections
from mnist_bench.checks.sheet.walk import WalkPlan, explain_walk, walk
from mnist_bench.records.acceptance import make_acceptance
from mnist_bench.records.serial import load_record

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.checks.sheet.facts import Fact
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset

KERAS_2 = metadata.version("keras").startswith("2.")


def make_walk(dataset: Dataset, folder: Path, sections: list[int], **options: Any) -> WalkPlan:
    """Return a walk of two epochs without baselines."""
    values: dict[str, Any] = {
        "sections": check_sections(sections),
        "dataset": dataset,
        "source": "auto",
        "fast": True,
        "seed": 1671,
        "folder": folder / "out",
        "resume": False,
        "baselines": folder / "none",
        "epochs": 2,
    }
    return WalkPlan(**values | options)


def tell_all(plan: WalkPlan) -> tuple[list[Fact], list[TrainingRecord]]:
    """Walk; return all facts and records."""
    facts: list[Fact] = []
    return facts, walk(plan, facts.append)


@pytest.fixture(scope="module")
def walked(tiny: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Fact], list[TrainingRecord]]:
    """A walk of all sections: its folder, its facts, and its records."""
    folder = tmp_path_factory.mktemp("walk")
    return folder, *tell_all(make_walk(tiny, folder, []))


def test_the_walk_is_the_sheet_s(walked: tuple[Path, list[Fact], list[TrainingRecord]]) -> None:
    """Every section's facts come in the sheet's order, each model trained once."""
    _, facts, records = walked
    names = {number: [fact.name for fact in facts if fact.section == number] for number in range(1, 7)}
    assert [fact.section for fact in facts] == sorted(fact.section for fact in facts)
    assert names[1][:6:5] == ["Training data input shape", "The same as a picture"]
    assert names[1][6:] == ["Input data ready", "One-hot vector"]
    totals, epochs = ["Total params", "Trainable params", "Non-trainable params"], ["epoch 1/2", "epoch 2/2"]
    test = ["Test score/loss", "Test accuracy"]
    assert names[2] == ["Layer 1", "Layer 2", *totals, *epochs, *test]
    assert names[3] == [*(f"Layer {number}" for number in range(1, 7)), *totals, *epochs, *test, "History keys"]
    assert names[4] == [*(f"Layer {number}" for number in range(1, 9)), *totals]
    assert names[5] == epochs
    assert names[6] == [*test, "History keys"]
    assert [(record.config.lab, record.config.engine) for record in records] == [
        ("perceptron", "epoch"),
        ("mlp", "epoch"),
        ("dropout", "epoch"),
    ]


def test_facts_are_those_of_the_records(walked: tuple[Path, list[Fact], list[TrainingRecord]]) -> None:
    """What was told during the training is what the records in the folder hold; the structure is the sheet's."""
    folder, facts, records = walked
    assert sorted(map(load_record, (folder / "out").glob("*.json")), key=repr) == sorted(records, key=repr)
    for section, record in zip((2, 3, 6), records, strict=True):
        told = {fact.name: fact.ours for fact in facts if fact.section == section}
        assert told["Test accuracy"] == f"{record.test_accuracy:.4f}"
    last = next(fact for fact in facts if (fact.section, fact.name) == (5, "epoch 2/2"))
    assert f"val_loss {records[2].history.val_loss[1]:.4f}" in last.ours
    # Only the tiny set's shapes are not MNIST's.
    assert {fact.name for fact in facts if fact.differs} == {
        "Training data input shape",
        "Training data output shape",
        "Test data input shape",
        "Test data output shape",
        "Input data ready",
    }


def test_a_resumed_walk_tells_the_same(
    walked: tuple[Path, list[Fact], list[TrainingRecord]], tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With records at hand nothing is trained and every fact is the same; without --resume the records are refused."""
    folder, facts, records = walked
    monkeypatch.setattr("mnist_bench.checks.sheet.walk.train", None)
    assert tell_all(make_walk(tiny, folder, [], resume=True)) == (facts, records)
    with pytest.raises(FileExistsError, match="exists already"):
        walk(make_walk(tiny, folder, [3]), facts.append)


@pytest.fixture
def trained(
    walked: tuple[Path, list[Fact], list[TrainingRecord]], monkeypatch: pytest.MonkeyPatch
) -> list[TrainingConfig]:
    """Have trainings give the records of `walked` at once; return what was to be trained."""
    records = {record.config.lab: record for record in walked[2]}
    configs: list[TrainingConfig] = []

    def train(config: TrainingConfig, **_: object) -> TrainingRecord:
        configs.append(config)
        return retrain(records[config.lab], **{**vars(config), "epochs": 2})

    monkeypatch.setattr("mnist_bench.checks.sheet.walk.train", train)
    return configs


def test_a_section_alone_prepares_what_it_needs(trained: list[TrainingConfig], tiny: Dataset, tmp_path: Path) -> None:
    """The results of dropout need the training, whose epochs are then not told; nothing else is trained."""
    facts, records = tell_all(make_walk(tiny, tmp_path, [6]))
    assert [fact.name for fact in facts] == ["Test score/loss", "Test accuracy", "History keys"]
    assert [record.config.lab for record in records] == [config.lab for config in trained] == ["dropout"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dropout-epoch-seed1671.json"]


def test_a_partly_resumed_walk_keeps_the_order(trained: list[TrainingConfig], tiny: Dataset, tmp_path: Path) -> None:
    """Only what is missing is trained; the records still come in the sheet's order."""
    walk(make_walk(tiny, tmp_path, [6]), lambda _: None)
    _, records = tell_all(make_walk(tiny, tmp_path, [3, 6], resume=True))
    assert [config.lab for config in trained] == ["dropout", "mlp"]
    assert [record.config.lab for record in records] == ["mlp", "dropout"]


@pytest.mark.parametrize(
    ("fast", "engines"),
    [(True, ["epoch", "epoch", "epoch"]), (False, ["graph", "eager", "eager"])],
    ids=["fast", "as the sheet"],
)
def test_who_trains(
    trained: list[TrainingConfig], tiny: Dataset, tmp_path: Path, *, fast: bool, engines: list[str]
) -> None:
    """The sheet's engines train, or the fast one with the same bits, from the seed and source that were asked for."""
    walk(make_walk(tiny, tmp_path, [], fast=fast, seed=7, source="./x.npz"), lambda _: None)
    assert [config.engine for config in trained] == engines
    assert {(config.seed, config.data) for config in trained} == {(7, "./x.npz")}


def test_what_auto_found_is_what_is_trained(trained: list[TrainingConfig], tiny: Dataset, tmp_path: Path) -> None:
    """The record names the source, so that the stand-in never passes for MNIST."""
    walk(make_walk(tiny, tmp_path, [2]), lambda _: None)
    assert [config.data for config in trained] == ["tiny"]


def test_a_section_that_trains_nothing_leaves_nothing(tiny: Dataset, tmp_path: Path) -> None:
    """Data and summary make no folder."""
    facts, records = tell_all(make_walk(tiny, tmp_path, [1, 4]))
    assert {fact.section for fact in facts} == {1, 4}
    assert records == []
    assert list(tmp_path.iterdir()) == []


def test_a_reader_is_told_what_matters(tiny: Dataset, tmp_path: Path) -> None:
    """The data, the seed, the engines, and which engines give other bits."""
    data, seed, training = explain_walk(make_walk(tiny, tmp_path, []))
    assert data == "Data: tiny, from a test."
    assert seed.startswith("Seed: 1671, by keras.utils.set_random_seed;")
    assert training.startswith("Training: perceptron by epoch, mlp by epoch, dropout by epoch. On a CPU ")
    assert ("other masks" in training) is KERAS_2
    slow = explain_walk(make_walk(tiny, tmp_path, [3, 6], fast=False))
    assert slow[2:] == [
        "Training: mlp by eager, dropout by eager, as the sheet does.",
        "Section 5 trains dropout; without that section the epochs are not shown.",
    ]
    assert len(explain_walk(make_walk(tiny, tmp_path, [1, 4]))) == 1
    as_mnist = make_walk(dataclasses.replace(tiny, name="mnist"), tmp_path, [2])
    assert explain_walk(as_mnist)[3].startswith("Epochs: the sheet's accuracy and loss are means of running means")


def test_keras_2_is_said_to_draw_other_masks(tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remark appears only if the fast engine trains dropout."""
    monkeypatch.setattr("mnist_bench.checks.sheet.walk.read_keras_version", lambda: "2.15.0")
    assert "other masks" in explain_walk(make_walk(tiny, tmp_path, [5]))[2]
    assert "other masks" not in explain_walk(make_walk(tiny, tmp_path, [2]))[2]


@pytest.mark.parametrize(
    ("engines", "epochs", "found"),
    [(["fused"], 2, "fused"), (["fused", "epoch"], 2, "epoch"), (["fused"], 3, None)],
    ids=["another engine's", "its own first", "other epochs"],
)
def test_the_reference_is_the_engine_s_own_if_there_is_one(
    walked: tuple[Path, list[Fact], list[TrainingRecord]],
    tiny: Dataset,
    tmp_path: Path,
    engines: list[str],
    epochs: int,
    found: str | None,
) -> None:
    """Otherwise another engine's is taken and named, but never one with another number of epochs."""
    folder, _, (record, *_) = walked
    references = [
        Reference(
            engine=engine,
            epochs=epochs,
            seeds=[1],
            test_accuracy=[record.test_accuracy],
            test_loss=[record.test_loss or 0],
            environment=record.environment,
            acceptance=make_acceptance("a test"),
        )
        for engine in engines
    ]
    baseline = AccuracyBaseline(lab="perceptron", dataset="tiny", dataset_digest=tiny.digest, references=references)
    path = accuracy_path(tmp_path, "tiny", "perceptron")
    path.parent.mkdir(parents=True)
    write_record(path, baseline)
    facts, _ = tell_all(make_walk(tiny, folder, [2], resume=True, baselines=tmp_path))
    notes = [fact.note for fact in facts if fact.name.startswith("Test")]
    if found:
        assert all(note.startswith(f"within the 1 seeds of {found}: ") for note in notes)
    else:
        assert all(note.startswith("no reference") for note in notes)
