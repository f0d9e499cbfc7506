"""Records become baselines by the rules, or against the rules with a note in the file; baselines are compared."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.checksums import write_record
from fixtures.records import make_digest, make_stages, retrain, run_as
from mnist_bench.checks import acceptance
from mnist_bench.checks.acceptance import accept_folder, diff_baselines, find_objections
from mnist_bench.checks.baselines import AccuracyBaseline, accept_accuracy, accuracy_path
from mnist_bench.checks.layers.contracts import CONTRACTS
from mnist_bench.checks.names import PROBE_EPOCHS
from mnist_bench.checks.records import ProbeRecord, Stage
from mnist_bench.records.acceptance import make_acceptance
from mnist_bench.records.environment import FAULT_VARIABLE, change_environment
from mnist_bench.records.serial import load, save
from mnist_bench.records.strict import RecordError
from mnist_bench.records.training import Predictions, TrainingRecord
from mnist_bench.records.verdicts import CheckResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

WHY = "new hardware"
OTHER_TRAININGS: dict[str, Any] = {"learning_rate": 9.0, "batch_size": 64, "hidden": (64,), "optimizer": "adam"}

pytestmark = pytest.mark.usefixtures("contracts")


@pytest.fixture
def probe(mlp: TrainingRecord) -> ProbeRecord:
    """A probe of every stage, of five epochs."""
    stages = make_stages("mlp")
    config = dataclasses.replace(mlp.config, epochs=PROBE_EPOCHS)
    return ProbeRecord(config=config, environment=mlp.environment, dataset=mlp.dataset, stages=stages)


@pytest.fixture
def source(mlp: TrainingRecord, tmp_path: Path) -> Path:
    """A folder with the records of seeds 1 and 2."""
    for seed in (1, 2):
        put(tmp_path / "records", mlp, seed=seed)
    return tmp_path / "records"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the baselines, which does not exist yet."""
    return tmp_path / "baselines"


def put(source: Path, record: TrainingRecord | ProbeRecord, **config: Any) -> Path:
    """Write a record, with another configuration, into a folder; return its path."""
    if isinstance(record, ProbeRecord):
        changed = dataclasses.replace(record.config, **config)
        record = dataclasses.replace(record, config=changed, environment=run_as(changed, record.environment))
    else:
        record = retrain(record, **config)
        record = dataclasses.replace(
            record,
            final_digest=make_digest(str(record.config.seed)),
            initial_digest=make_digest(f"initial {record.config.seed}"),
        )
    path = source / f"{record.config.lab}-{record.config.engine}-{record.config.seed}-{record.kind}.json"
    if isinstance(record, TrainingRecord):
        save(record, path)
    else:
        source.mkdir(exist_ok=True)
        write_record(path, record)
    return path


def set_commit(record: Any, commit: str | None) -> Any:
    """Return the record as a record of another commit."""
    return dataclasses.replace(record, environment=change_environment(record.environment, commit=commit))


def test_sound_records_are_accepted(source: Path, folder: Path, mlp: TrainingRecord) -> None:
    """Sound records become the reference, with who accepted them, when and why, and nothing was forced."""
    path = accuracy_path(folder, "digits", "mlp")
    assert accept_folder(source, folder, why=WHY) == [path]
    (reference,) = load(path, AccuracyBaseline).references
    assert (reference.seeds, reference.test_accuracy, reference.test_loss) == ([1, 2], [0.977] * 2, [0.0768] * 2)
    assert reference.environment == mlp.environment
    assert reference.acceptance.who == make_acceptance(WHY).who
    assert reference.acceptance.when[:4].isdigit()
    assert (reference.acceptance.why, reference.acceptance.forced) == (WHY, [])


def test_accepting_again_supersedes_and_keeps(source: Path, folder: Path) -> None:
    """Nothing is overwritten: both references are in the file."""
    (path,) = accept_folder(source, folder, why="the first")
    before = load(path, AccuracyBaseline).references
    assert accept_folder(source, folder, why="the second", force=True) == [path]
    after = load(path, AccuracyBaseline).references
    assert after[:-1] == before
    assert [reference.acceptance.why for reference in after] == ["the first", "the second"]


def test_a_folder_of_everything(source: Path, folder: Path, mlp: TrainingRecord, probe: ProbeRecord) -> None:
    """Trainings are sorted by lab and engine, and probes lie by their numerics keys with the same acceptance."""
    put(source, mlp, seed=3, engine="fused")
    put(source, probe)
    first, second, third = accept_folder(source, folder, why=WHY)
    assert first == second == accuracy_path(folder, "digits", "mlp")
    references = load(first, AccuracyBaseline).references
    assert [(reference.engine, reference.seeds) for reference in references] == [("epoch", [1, 2]), ("fused", [3])]
    accepted = load(third, ProbeRecord)
    assert accepted.acceptance == references[0].acceptance
    assert dataclasses.replace(accepted, acceptance=None) == probe


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        (lambda record: set_commit(record, "0123abc+dirty"), "the working tree was dirty"),
        (lambda record: set_commit(record, "unknown"), "git does not say whether the working tree was clean"),
        (
            lambda record: dataclasses.replace(record, test_accuracy=0.9699),
            "mlp is below its threshold in 1 of 3 trainings, such as seed 3",
        ),
        (
            lambda record: dataclasses.replace(
                record, history=dataclasses.replace(record.history, loss=[None] * 20, val_loss=[None] * 20)
            ),
            "mlp-epoch, seed 3: loss is not finite after the last epoch, and the test loss is 0.0768",
        ),
        (
            lambda record: retrain(record, learning_rate=0.2),
            "mlp was trained with learning_rate 0.2, not the lab's 0.1",
        ),
        (
            lambda record: retrain(record, batch_size=64),
            "mlp was trained with batch_size 64, not the lab's 128",
        ),
        (
            lambda record: retrain(record, hidden=(64,)),
            "mlp was trained with hidden (64,), not the lab's (128, 128)",
        ),
        (
            lambda record: retrain(record, optimizer="adam"),
            "mlp was trained with optimizer 'adam', not the lab's 'sgd'",
        ),
        (
            lambda record: dataclasses.replace(
                retrain(record, deterministic=False),
                environment=change_environment(record.environment, op_determinism=False),
            ),
            "mlp was trained with op determinism turned off",
        ),
    ],
    ids=["dirty", "unknown", "threshold", "lost-loss", "learning-rate", "batch-size", "hidden", "optimizer", "chance"],
)
def test_a_broken_rule_is_refused_or_written_down(
    source: Path,
    folder: Path,
    mlp: TrainingRecord,
    change: Callable[[TrainingRecord], TrainingRecord],
    objection: str,
) -> None:
    """One record that breaks a rule refuses all; --force accepts them, and the file names the rule."""
    put(source, change(mlp), seed=3)
    if "was trained with" in objection:  # a mixture of trainings is refused whole
        for path in list(source.glob("*-[12]-*.json")):
            path.unlink()
        for seed in (1, 2):
            put(source, change(mlp), seed=seed)
    with pytest.raises(ValueError, match=re.escape(f"{source}: not accepted: {objection} (--force says so")):
        accept_folder(source, folder, why=WHY)
    assert not folder.exists()
    (path,) = accept_folder(source, folder, why=WHY, force=True)
    (reference,) = load(path, AccuracyBaseline).references
    assert reference.seeds == [1, 2, 3]
    assert reference.acceptance.forced == [objection]


def test_a_training_of_other_epochs_is_not_the_labs(record: TrainingRecord, tmp_path: Path, folder: Path) -> None:
    """Two epochs are no reference for the lab's 200."""
    put(tmp_path / "records", record)
    with pytest.raises(ValueError, match="perceptron was trained with epochs 2, not the lab's 200"):
        accept_folder(tmp_path / "records", folder, why=WHY)


def test_a_contract_that_fails_is_refused_or_written_down(
    source: Path, folder: Path, contracts: dict[str, Verdict]
) -> None:
    """Each broken contract is named."""
    contracts |= {"new-order": Verdict.REGRESSED, "mean-loss": Verdict.REGRESSED}
    broken = ["contract/new-order[epoch] fails here", "contract/mean-loss[epoch] fails here"]
    with pytest.raises(ValueError, match=re.escape(f"not accepted: {'; '.join(broken)} (--force")):
        accept_folder(source, folder, why=WHY)
    assert not folder.exists()
    (path,) = accept_folder(source, folder, why=WHY, force=True)
    assert load(path, AccuracyBaseline).references[0].acceptance.forced == broken


def test_a_known_regression_is_no_objection(
    source: Path, folder: Path, contracts: dict[str, Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listed regression does not keep records from becoming a reference; a listed one that has gone does."""
    monkeypatch.setattr(acceptance, "read_versions", lambda: {"keras": "3.15.1"})
    with pytest.raises(ValueError, match=re.escape("contract/new-order[epoch] fails here")):
        accept_folder(source, folder, why=WHY)
    contracts["new-order"] = Verdict.REGRESSED
    assert len(accept_folder(source, folder, why=WHY)) == 1


def test_every_contract_of_every_engine_is_asked(
    source: Path, folder: Path, mlp: TrainingRecord, probe: ProbeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contracts of all engines of trainings and probes are checked, each once."""
    put(source, mlp, seed=3, engine="fused")
    put(source, probe, engine="graph")
    asked: list[tuple[str, str]] = []

    def check(name: str, engine: str) -> CheckResult:
        asked.append((engine, name))
        return CheckResult(name=f"contract/{name}[{engine}]", verdict=Verdict.PASS, figure="", bound="")

    monkeypatch.setattr(acceptance, "check_contract", check)
    accept_folder(source, folder, why=WHY)
    assert sorted(asked) == sorted((engine, name) for engine in ("epoch", "fused", "graph") for name in CONTRACTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 1}, "follows 1 epochs of seed 1671, not 5 of 1671"),
        ({"seed": 7}, "follows 5 epochs of seed 7, not 5 of 1671"),
        ({"learning_rate": 9.0}, "is not the lab's own: learning_rate 9.0, the lab's is 0.1"),
        ({"stages": 1}, "is not the lab's own: 9 of 10 stages are missing, such as 'data order'"),
    ],
    ids=["epochs", "seed", "learning rate", "stages"],
)
def test_a_probe_of_another_training_is_refused(
    tmp_path: Path, folder: Path, probe: ProbeRecord, change: dict[str, Any], message: str
) -> None:
    """Only a probe of the lab's training, with every stage, is one that `check` can compare with."""
    if "stages" in change:
        put(tmp_path / "probes", dataclasses.replace(probe, stages=probe.stages[:1]))
    else:
        put(tmp_path / "probes", probe, **change)
    with pytest.raises(ValueError, match=f"the probe of mlp-epoch {message}"):
        accept_folder(tmp_path / "probes", folder, why=WHY)
    assert not folder.exists()


def test_a_probe_of_a_dirty_tree_is_refused_or_written_down(tmp_path: Path, folder: Path, probe: ProbeRecord) -> None:
    """The rule holds for digests, too, and so does what --force writes."""
    put(tmp_path / "probes", set_commit(probe, "0123abc+dirty"))
    with pytest.raises(ValueError, match="the working tree was dirty"):
        accept_folder(tmp_path / "probes", folder, why=WHY)
    (path,) = accept_folder(tmp_path / "probes", folder, why=WHY, force=True)
    accepted = load(path, ProbeRecord).acceptance
    assert accepted is not None
    assert accepted.forced == ["the working tree was dirty"]


@pytest.mark.parametrize("commit", [None, "0123abc"], ids=["wheel", "clean"])
def test_a_clean_tree_is_no_objection(tmp_path: Path, folder: Path, mlp: TrainingRecord, commit: str | None) -> None:
    """A clean tree is accepted, and so is a wheel, which has no tree."""
    put(tmp_path / "records", set_commit(mlp, commit))
    assert len(accept_folder(tmp_path / "records", folder, why=WHY)) == 1


@pytest.mark.parametrize("force", [False, True], ids=["by the rules", "forced"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: {"test_loss": None}, "mlp: the training of seed 3 diverged"),
        (
            lambda record: {"environment": change_environment(record.environment, instruction_set="other")},
            "records of one reference differ in their numerics key",
        ),
        (
            lambda record: {"dataset": dataclasses.replace(record.dataset, digest=make_digest("other"))},
            "records of one reference differ in their dataset",
        ),
        *(
            (
                lambda record, field=field, value=value: {
                    "config": dataclasses.replace(record.config, **{field: value})
                },
                f"records of one reference differ in their {field}",
            )
            for field, value in OTHER_TRAININGS.items()
        ),
    ],
    ids=["diverged", "numerics", "dataset", *OTHER_TRAININGS],
)
def test_what_cannot_be_a_reference_is_refused_whole(
    source: Path,
    folder: Path,
    mlp: TrainingRecord,
    change: Callable[[TrainingRecord], dict[str, Any]],
    message: str,
    force: bool,  # noqa: FBT001 - parametrised
) -> None:
    """A folder with such a record is refused, sound records of other engines included, even with --force."""
    put(source, mlp, seed=3, engine="eager")
    put(source, dataclasses.replace(mlp, **change(mlp)), seed=3)
    with pytest.raises(ValueError, match=message):
        accept_folder(source, folder, why=WHY, force=force)
    assert not folder.exists()


def test_a_seed_counts_once(source: Path, folder: Path, mlp: TrainingRecord) -> None:
    """The same training under two names is refused."""
    save(dataclasses.replace(mlp, config=dataclasses.replace(mlp.config, seed=2)), source / "copy.json")
    with pytest.raises(ValueError, match="seeds: 2 occurs twice"):
        accept_folder(source, folder, why=WHY, force=True)


def test_a_baseline_of_other_data_is_left_alone(source: Path, folder: Path, mlp: TrainingRecord) -> None:
    """Records are not added to the references of data with another digest: the file and the field are named."""
    dataset = dataclasses.replace(mlp.dataset, digest=make_digest("other"))
    path = accept_accuracy([dataclasses.replace(mlp, dataset=dataset)], folder, make_acceptance(WHY))
    content = path.read_bytes()
    with pytest.raises(
        ValueError, match=re.escape(f"{path}: dataset_digest is '{dataset.digest}', expected '{mlp.dataset.digest}'")
    ):
        accept_folder(source, folder, why=WHY, force=True)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON: Input data was truncated"),
        ('{"kind": "timing", "schema_version": 1}', "kind is 'timing', expected 'training' or 'probe'"),
        ('{"kind": "training", "schema_version": 0}', "schema_version is 0, this version reads 1"),
    ],
    ids=["truncated", "kind", "schema"],
)
def test_a_file_that_is_no_record_is_named(source: Path, folder: Path, content: str, message: str) -> None:
    """One bad file refuses the whole folder."""
    (source / "bad.json").write_text(content)
    with pytest.raises(RecordError, match=re.escape(f"{source / 'bad.json'}: {message}")):
        accept_folder(source, folder, why=WHY, force=True)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("field", "message"),
    [("lab", "unknown lab 'none': choose from"), ("engine", "unknown engine 'none'")],
)
def test_a_record_of_what_there_is_not_is_named(
    source: Path, folder: Path, mlp: TrainingRecord, field: str, message: str
) -> None:
    """A record of an unknown lab or engine is bad input."""
    path = put(source, mlp, **{field: "none"})
    with pytest.raises(RecordError, match=re.escape(f"{path}: $.config: {message}")):
        accept_folder(source, folder, why=WHY)


def test_nothing_to_accept(tmp_path: Path, folder: Path) -> None:
    """A folder without records, and no folder at all, are errors."""
    for source in (tmp_path, tmp_path / "none"):
        with pytest.raises(RecordError, match=re.escape(f"{source}: no records (*.json) there")):
            accept_folder(source, folder, why=WHY)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for name, message in (("loop", "Too many levels of symbolic links"), ("file", "is a file, not a folder")):
        with pytest.raises(OSError, match=message):
            accept_folder(tmp_path / name, folder, why=WHY)


def test_a_reason_is_asked_for_first(source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing reason is an error before the contracts run, which take a while."""
    monkeypatch.setattr(acceptance, "check_contract", None)
    with pytest.raises(ValueError, match="needs a reason"):
        accept_folder(source, folder, why=" ")


def test_the_contracts_are_asked_last(
    mlp: TrainingRecord, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training of one epoch is refused before TensorFlow is loaded."""
    monkeypatch.setattr(acceptance, "check_contract", None)
    monkeypatch.setattr(acceptance, "read_versions", None)
    put(tmp_path / "records", retrain(mlp, epochs=1))
    with pytest.raises(ValueError, match="mlp was trained with epochs 1, not the lab's 20"):
        accept_folder(tmp_path / "records", folder, why=WHY)


def write_baseline(
    folder: Path, mlp: TrainingRecord, figures: Iterable[tuple[float, float]], *, engine: str = "epoch"
) -> Path:
    """Accept trainings with these accuracies and losses; return the baseline's path."""
    records = [
        dataclasses.replace(
            retrain(mlp, engine=engine, seed=seed),
            test_accuracy=accuracy,
            test_loss=loss,
            final_digest=make_digest(str(seed)),
            initial_digest=make_digest(f"initial {seed}"),
        )
        for seed, (accuracy, loss) in enumerate(figures)
    ]
    return accept_accuracy(records, folder, make_acceptance(WHY))


def draw(seed: int, *, mean: float = 0.977) -> list[tuple[float, float]]:
    """Return accuracy and loss of 30 trainings of the mlp."""
    rng = np.random.default_rng(seed)
    return list(zip(rng.normal(mean, 0.001, 30).tolist(), rng.normal(0.0768, 0.0031, 30).tolist(), strict=True))


def test_two_references_are_compared_by_the_statistics(tmp_path: Path, mlp: TrainingRecord) -> None:
    """Each engine's metrics get a verdict with its evidence; an engine that one side lacks is named."""
    base = write_baseline(tmp_path / "a", mlp, draw(0))
    write_baseline(tmp_path / "a", mlp, draw(0), engine="graph")
    write_baseline(tmp_path / "b", mlp, draw(1), engine="xla")
    new = write_baseline(tmp_path / "b", mlp, draw(1, mean=0.974))
    accuracy, loss, graph, xla = (line for line, _ in diff_baselines(base, new))
    assert accuracy.startswith("epoch accuracy: REGRESSED: worse mean; change -0.29")
    assert " points (" in accuracy
    assert "(significant up to 0.01)" in accuracy
    assert loss.startswith("epoch loss: PASS: within the margin; change ")
    assert (graph, xla) == (f"graph: only in {base}", f"xla: only in {new}")


def test_the_same_baselines_give_the_same_lines(tmp_path: Path, mlp: TrainingRecord) -> None:
    """Nothing in the lines is left to chance, not even the p-values of small changes."""
    base = write_baseline(tmp_path / "a", mlp, draw(0))
    news = [write_baseline(tmp_path / f"{mean}", mlp, draw(1, mean=mean)) for mean in (0.9762, 0.9765, 0.9768)]
    lines = [[*diff_baselines(base, new)] for new in news]
    assert [[*diff_baselines(base, new)] for new in news] == lines


def test_the_references_in_force_are_compared(tmp_path: Path, mlp: TrainingRecord) -> None:
    """Superseded references do not count."""
    base = write_baseline(tmp_path / "a", mlp, draw(0, mean=0.99))
    write_baseline(tmp_path / "a", mlp, draw(0))
    (accuracy, _), _ = diff_baselines(base, write_baseline(tmp_path / "b", mlp, draw(1)))
    assert accuracy.startswith("epoch accuracy: PASS")


def test_references_of_other_epochs_are_not_compared(
    tmp_path: Path, mlp: TrainingRecord, record: TrainingRecord
) -> None:
    """The line says that references of other epochs are not comparable."""
    short = retrain(record, lab="mlp")
    paths = write_baseline(tmp_path / "a", mlp, draw(0)), write_baseline(tmp_path / "b", short, draw(1))
    assert list(diff_baselines(*paths)) == [
        ("epoch: not comparable: trained for 20 and for 2 epochs", Verdict.INCONCLUSIVE)
    ]


def test_two_probes_are_compared_by_stage(tmp_path: Path, probe: ProbeRecord) -> None:
    """The first stage that differs is named."""
    moved = Stage(name="forward", digest="1" * 64, values=[0.25])
    changed = dataclasses.replace(probe, stages=[moved if stage.name == "forward" else stage for stage in probe.stages])
    paths = put(tmp_path / "a", probe), put(tmp_path / "b", changed)
    assert list(diff_baselines(*paths)) == [
        ("first stage that differs: forward, moved by 0.5 of its size; 9 of 10 stages alike", Verdict.REGRESSED)
    ]


@pytest.mark.parametrize("swapped", [False, True])
def test_baselines_of_different_kinds_are_refused(
    tmp_path: Path,
    mlp: TrainingRecord,
    probe: ProbeRecord,
    swapped: bool,  # noqa: FBT001 - parametrised
) -> None:
    """A probe is not compared with a reference, whichever comes first."""
    paths = [put(tmp_path / "a", probe), write_baseline(tmp_path / "b", mlp, draw(0))]
    paths = paths[::-1] if swapped else paths
    with pytest.raises(ValueError, match=f"{paths[0]} and {paths[1]} are of different kinds: "):
        list(diff_baselines(*paths))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: vars(retrain(record, lab="dropout")), "lab: 'mlp' and 'dropout'"),
        (
            lambda record: {"dataset": dataclasses.replace(record.dataset, source="mnist")},
            "dataset: 'digits' and 'mnist'",
        ),
        (lambda record: {"dataset": dataclasses.replace(record.dataset, digest=make_digest("0"))}, "dataset_digest: '"),
    ],
    ids=["lab", "dataset", "digest"],
)
def test_baselines_of_other_labs_or_data_are_refused(
    tmp_path: Path, mlp: TrainingRecord, change: Callable[[TrainingRecord], dict[str, Any]], message: str
) -> None:
    """The field in which the baselines differ is named."""
    base = write_baseline(tmp_path / "a", mlp, draw(0))
    new = write_baseline(tmp_path / "b", dataclasses.replace(mlp, **change(mlp)), draw(0))
    with pytest.raises(ValueError, match=re.escape(f"{base} and {new} differ in their {message}")):
        list(diff_baselines(base, new))


def test_a_damaged_baseline_is_named_whatever_its_path(tmp_path: Path, mlp: TrainingRecord) -> None:
    """A damaged file is named even in a folder that is called like a kind of baseline."""
    base = write_baseline(tmp_path / "accuracy-baseline", mlp, draw(0))
    new = tmp_path / "accuracy-baseline" / "new.json"
    new.write_text("{")
    with pytest.raises(RecordError, match=re.escape(f"{new}: not JSON")):
        list(diff_baselines(base, new))


@pytest.mark.parametrize("force", [False, True])
def test_no_baseline_is_made_under_a_planted_fault(
    force: object, mlp: TrainingRecord, probe_file: Path, tmp_path: Path
) -> None:
    """Neither a training nor a probe, whatever is forced; nothing is written."""
    flags = {FAULT_VARIABLE: "step-longer:1.05"}
    environment = change_environment(mlp.environment, flags=flags)
    told = r"made under the planted fault 'step-longer:1.05' \(MNIST_BENCH_FAULT\): it is no baseline"
    trained = tmp_path / "trained"
    save(dataclasses.replace(mlp, environment=environment), trained / "mlp.json")
    with pytest.raises(ValueError, match=told):
        accept_folder(trained, tmp_path / "baselines", why="a test", force=bool(force))
    probe = load(probe_file, ProbeRecord)
    save(dataclasses.replace(probe, environment=environment), probe_file, overwrite=True)
    with pytest.raises(ValueError, match=told):
        accept_folder(probe_file.parent, tmp_path / "baselines", why="a test", force=bool(force))
    assert not (tmp_path / "baselines").exists()


def test_a_training_that_moved_nothing_is_no_reference(mlp: TrainingRecord) -> None:
    """Such a training is an objection, which --force writes down."""
    idle = dataclasses.replace(mlp, final_digest=mlp.initial_digest)
    told = "mlp-epoch, seed 1671: it ends in its initial weights: nothing was trained"
    assert acceptance.find_objections([idle], []) == [told]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"test_loss": 0.0}, "a loss of 0 and an accuracy of 0.9770 cannot be"),
        ({"test_loss": 0.001}, "a loss of 0.001 and an accuracy of 0.9770 cannot be"),
        ({"test_accuracy": 0.97701234}, "an accuracy of 0.9770123 is of no whole number of 10,000 images"),
    ],
)
def test_figures_that_rule_each_other_out_are_no_reference(
    mlp: TrainingRecord, fields: dict[str, Any], told: str
) -> None:
    """2.3% of the images are wrong, and each wrong answer has a loss of log 2 or more."""
    assert acceptance.find_objections([dataclasses.replace(mlp, **fields)], []) == [f"mlp-epoch, seed 1671: {told}"]


@pytest.mark.parametrize(
    ("curve", "told"),
    [
        ({"val_loss": [None] * 20}, "val_loss is not finite after the last epoch, and the test loss is 0.0768"),
        ({"accuracy": [0.098] * 20}, "accuracy is 0.0980 after the last epoch, and 0.9770 on the test set"),
    ],
)
def test_curves_that_end_elsewhere_than_the_test_are_no_reference(
    mlp: TrainingRecord, curve: dict[str, Any], told: str
) -> None:
    """A whole training ends near its test."""
    broken = dataclasses.replace(mlp, history=dataclasses.replace(mlp.history, **curve))
    assert acceptance.find_objections([broken], []) == [f"mlp-epoch, seed 1671: {told}"]


def test_seeds_that_share_their_predictions_are_no_reference(mlp: TrainingRecord) -> None:
    """Two seeds end in other weights, so that they predict something else, if only by rounding."""
    made = Predictions(
        digest="a" * 64, class_sizes=[1000] * 10, class_errors=[23] * 10, exact_loss=0.0768, exact_accuracy=0.977
    )
    one, two = (dataclasses.replace(retrain(mlp, seed=seed), predictions=made) for seed in (1, 2))
    told = "mlp-epoch: the seeds 1 and 2 have the same predictions"
    assert acceptance.find_objections([one, two], []) == [told]
    other = dataclasses.replace(two, predictions=dataclasses.replace(made, digest="b" * 64))
    assert acceptance.find_objections([one, other], []) == []


def test_other_predictions_are_no_reference(mlp: TrainingRecord) -> None:
    """The errors by class have to add up to the accuracy."""
    wrong = Predictions(
        digest="a" * 64, class_sizes=[1000] * 10, class_errors=[1000] * 10, exact_loss=0.0768, exact_accuracy=0.977
    )
    (told,) = acceptance.find_objections([dataclasses.replace(mlp, predictions=wrong)], [])
    assert "an accuracy of 0.9770 by evaluate, 0.0000 by its own errors and 0.9770 by NumPy" in told


@pytest.mark.parametrize("low", [1, 2])
def test_one_sound_training_in_a_hundred_may_end_below_the_threshold(mlp: TrainingRecord, low: int) -> None:
    """Two in a thousand sound seeds of the mlp do; two in a hundred are too many."""
    bad = dataclasses.replace(mlp, test_accuracy=0.9699, predictions=None)
    trainings = [*[dataclasses.replace(mlp, predictions=None)] * (100 - low), *[bad] * low]
    told = f"mlp is below its threshold in {low} of 100 trainings, such as seed {mlp.config.seed}"
    assert (told in find_objections(trainings, [])) == (low > 1)


def test_a_training_of_another_precision_is_not_the_labs(mlp: TrainingRecord) -> None:
    """`check` measures with the lab's arithmetic alone: no other is its reference."""
    half = dataclasses.replace(mlp, environment=change_environment(mlp.environment, precision="float16"))
    told = "mlp was trained with precision float16, not the lab's float32: set by KERAS_BACKEND or in keras.json"
    assert acceptance.find_objections([half], []) == [f"{told} (KERAS_HOME)"]
