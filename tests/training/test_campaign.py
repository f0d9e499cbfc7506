"""Many trainings into one folder: existing records are kept, and only taken for what they are."""

from __future__ import annotations

import dataclasses
import errno
import os
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import change_environment, company_flag
from mnist_bench.records.serial import load_record, save
from mnist_bench.records.strict import RecordError
from mnist_bench.training.campaign import plan_campaign, record_name, run_campaign
from mnist_bench.training.workers.events import EpochEnded, Failed, Finished
from mnist_bench.training.workers.pool import train_all

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset


def make_configs(*seeds: int) -> list[TrainingConfig]:
    """Return configurations whose seeds tell the stub workers what to do."""
    return [TrainingConfig(lab="perceptron", seed=seed, epochs=2) for seed in seeds]


def find_names(folder: Path) -> list[str]:
    """Return the names of all files in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("stub_workers")
def test_each_training_leaves_a_record(tmp_path: Path, tiny: Dataset) -> None:
    """Each training leaves a file before its event; a failed training leaves none."""
    folder = tmp_path / "new" / "folder"
    campaign = plan_campaign(make_configs(11, 3, 12), folder, tiny)
    assert campaign.done == {}
    for event in run_campaign(campaign, partial(train_all, jobs=2)):
        if isinstance(event, Finished):
            assert (folder / record_name(event.record.config)).exists()
    assert find_names(folder) == ["perceptron-epoch-seed11.json", "perceptron-epoch-seed12.json"]
    assert [load_record(path).config for path in sorted(folder.glob("*.json"))] == [campaign.todo[0], campaign.todo[2]]


def test_workers_load_the_source_that_was_found(tmp_path: Path, tiny: Dataset) -> None:
    """`auto` becomes the source found here, a path stays a path, and epochs are filled in."""
    configs = [TrainingConfig(lab="perceptron"), TrainingConfig(lab="mlp", data="some/path")]
    campaign = plan_campaign(configs, tmp_path, tiny)
    assert [(config.data, config.epochs) for config in campaign.todo] == [("tiny", 200), ("some/path", 20)]


def test_an_interrupted_run_keeps_what_is_finished(tmp_path: Path, tiny: Dataset, stub_workers: Path) -> None:
    """A run stopped in a training keeps the other records; --resume trains only the rest."""
    configs = make_configs(11, 12, 1, 13)
    here = load_record(stub_workers / "record.json").environment
    events = run_campaign(plan_campaign(configs, tmp_path / "out", tiny))
    for event in events:
        if isinstance(event, EpochEnded) and event.task == 2:
            break
    events.close()  # type: ignore[attr-defined] # it is a generator
    names = ["perceptron-epoch-seed11.json", "perceptron-epoch-seed12.json"]
    assert find_names(tmp_path / "out") == names

    for path in stub_workers.glob("*.pid"):
        path.unlink()
    (stub_workers / "go").touch()
    resumed = plan_campaign(configs, tmp_path / "out", tiny, resume=lambda: here)
    assert sorted(resumed.done) == names
    assert [config.seed for config in resumed.todo] == [1, 13]
    assert not [event for event in run_campaign(resumed) if isinstance(event, Failed)]
    assert sorted(path.name for path in stub_workers.glob("*.pid")) == ["perceptron-1.pid", "perceptron-13.pid"]
    assert len(find_names(tmp_path / "out")) == 4
    nothing = plan_campaign(configs, tmp_path / "out", tiny, resume=lambda: here)
    assert nothing.todo == []
    assert list(run_campaign(nothing)) == []


def test_records_that_are_there_are_refused(tmp_path: Path, tiny: Dataset, record: TrainingRecord) -> None:
    """Without --resume existing records are an error that says what to do."""
    save(record, tmp_path / record_name(record.config))
    with pytest.raises(FileExistsError, match=r"seed1671\.json exists already: .* --resume, .* --out"):
        plan_campaign([record.config], tmp_path, tiny)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 3}, "the record's epochs is 2, not 3"),
        ({"batch_size": 64}, "the record's batch_size is 128, not 64"),
        ({"learning_rate": 0.5}, "the record's learning_rate is 0.1, not 0.5"),
        ({"validation_split": 0.5}, "the record's validation_split is 0.2, not 0.5"),
        ({"deterministic": False}, "the record's deterministic is True, not False"),
        ({"hidden": (64,)}, r"the record's hidden is None, not \(64,\)"),
        ({"optimizer": "adam"}, "the record's optimizer is 'sgd', not 'adam'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_record_of_another_configuration_is_refused(
    tmp_path: Path, tiny: Dataset, record: TrainingRecord, change: dict[str, Any], message: str
) -> None:
    """--resume refuses another configuration: the message names file, field and both values."""
    path = tmp_path / record_name(record.config)
    save(record, path)
    config = dataclasses.replace(record.config, **change)
    with pytest.raises(ValueError, match=f"{path.name}: cannot resume: {message}"):
        plan_campaign([config], tmp_path, tiny, resume=lambda: record.environment)


def test_a_record_under_another_name_is_refused(tmp_path: Path, tiny: Dataset, record: TrainingRecord) -> None:
    """A renamed file is refused."""
    save(record, tmp_path / "mlp-fused-seed7.json")
    config = dataclasses.replace(record.config, lab="mlp", engine="fused", seed=7)
    with pytest.raises(
        ValueError, match=r"mlp-fused-seed7\.json: cannot resume: the record's lab is 'perceptron', not 'mlp'"
    ):
        plan_campaign([config], tmp_path, tiny, resume=lambda: record.environment)


def test_a_record_of_other_data_is_refused(tmp_path: Path, tiny: Dataset, record: TrainingRecord) -> None:
    """A stand-in's record is not continued on MNIST."""
    dataset = dataclasses.replace(record.dataset, digest="0" * 64)
    save(dataclasses.replace(record, dataset=dataset), tmp_path / record_name(record.config))
    with pytest.raises(ValueError, match=r"cannot resume: the record is of other data \(digits\)"):
        plan_campaign([record.config], tmp_path, tiny, resume=lambda: record.environment)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tensorflow": "1.15.0"}, "tensorflow '2.21.0', here '1.15.0'"),
        ({"keras": "2.15.0"}, "keras '3.15.1', here '2.15.0'"),
        ({"numpy": "1.26.4"}, "numpy '2.4.6', here '1.26.4'"),
        ({"python": "3.12.1"}, "python '3.11.7', here '3.12.1'"),
        ({"precision": "float16", "onednn": "0"}, "precision 'float32', here 'float16'; onednn 'default', here '0'"),
        ({"usable_cores": 4}, "threads 2, here 4"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_record_of_another_environment_is_refused(
    tmp_path: Path, tiny: Dataset, record: TrainingRecord, change: dict[str, Any], message: str
) -> None:
    """What another TensorFlow trained is no training of this one: the message names file, field, both and a way out."""
    path = tmp_path / record_name(record.config)
    save(record, path)
    here = change_environment(record.environment, **change)
    with pytest.raises(ValueError, match=f"{path.name}: cannot resume: trained with {message}: name another folder"):
        plan_campaign([record.config], tmp_path, tiny, resume=lambda: here)


def test_the_threads_of_a_worker_count(
    tmp_path: Path, tiny: Dataset, record: TrainingRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that share the cores have fewer threads than this process: that is how their records are compared."""
    monkeypatch.setattr("mnist_bench.training.campaign.share_cores", lambda jobs: [[0, 1]] * jobs)
    save(record, tmp_path / record_name(record.config))
    here = change_environment(record.environment, usable_cores=4)
    assert plan_campaign([record.config], tmp_path, tiny, jobs=2, resume=lambda: here).todo == []


def make_company(record: TrainingRecord, size: int) -> TrainingRecord:
    """Return the record of the same training in a company."""
    flags = {**record.environment.flags, **company_flag(size)}
    return dataclasses.replace(record, company=size, environment=change_environment(record.environment, flags=flags))


@pytest.mark.parametrize(("asked", "company"), [(None, 8), (8, 8)], ids=str)
def test_a_company_is_continued_by_companies_of_its_size(
    tmp_path: Path, tiny: Dataset, record: TrainingRecord, asked: int | None, company: int
) -> None:
    """Where nothing is asked for, the records that are there say how many."""
    save(make_company(record, 8), tmp_path / record_name(record.config))
    configs = [record.config, dataclasses.replace(record.config, seed=1672)]
    campaign = plan_campaign(configs, tmp_path, tiny, resume=lambda: record.environment, company=asked)
    assert (campaign.company, campaign.most, len(campaign.done)) == (company, 2, 1)


def test_a_company_of_another_size_is_refused(tmp_path: Path, tiny: Dataset, record: TrainingRecord) -> None:
    """A mixture would have bits that cannot be compared, so the message names the size that is there."""
    save(make_company(record, 8), tmp_path / record_name(record.config))
    message = r"seed1671\.json: cannot resume: trained in a company of 8, not of 1: choose --company 8, or another"
    with pytest.raises(ValueError, match=message):
        plan_campaign([record.config], tmp_path, tiny, resume=lambda: record.environment)


def test_a_record_of_other_data_is_not_counted(tmp_path: Path, tiny: Dataset, record: TrainingRecord) -> None:
    """Another machine may have found other data under the same name: its record fails, and no file is left."""
    config = dataclasses.replace(record.config, seed=5)
    other = dataclasses.replace(
        record, config=config, dataset=dataclasses.replace(record.dataset, digest="0" * 64, source="mnist")
    )
    campaign = plan_campaign([config], tmp_path, tiny)
    (failed,) = run_campaign(campaign, lambda _: iter([Finished(0, other)]))
    assert isinstance(failed, Failed)
    assert failed.reason == "perceptron, seed 5: it was trained on other data than tiny"
    assert list(tmp_path.glob("*.json")) == []


def test_where_data_lies_and_which_device_was_auto_may_change(
    tmp_path: Path, tiny: Dataset, record: TrainingRecord
) -> None:
    """The digest identifies the data, wherever it lies, so the record is taken."""
    save(record, tmp_path / record_name(record.config))
    config = dataclasses.replace(record.config, data="elsewhere", device="cpu")
    campaign = plan_campaign([config], tmp_path, tiny, resume=lambda: record.environment)
    assert (campaign.todo, list(campaign.done.values())) == ([], [record])


def test_a_damaged_record_is_named(tmp_path: Path, tiny: Dataset, record: TrainingRecord) -> None:
    """--resume does not skip a damaged record."""
    path = tmp_path / record_name(record.config)
    path.write_text("{")
    with pytest.raises(RecordError, match=f"{path.name}: not JSON"):
        plan_campaign([record.config], tmp_path, tiny, resume=lambda: record.environment)


def test_a_bad_configuration_trains_nothing(tmp_path: Path, tiny: Dataset) -> None:
    """A configuration that is not allowed is found before any training, and no folder is made."""
    configs = [TrainingConfig(lab="perceptron"), TrainingConfig(lab="mlp", epochs=0)]
    with pytest.raises(ValueError, match="epochs 0 is not allowed"):
        plan_campaign(configs, tmp_path / "out", tiny)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_found_before_training(
    tmp_path: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in the folder's place and missing permission are errors before the first training."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="file"):
            plan_campaign(make_configs(11), folder, tiny)

    def deny(**_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", deny)  # root may write anywhere
    with pytest.raises(PermissionError, match=r"no file can be written there: Permission denied: .*closed"):
        plan_campaign(make_configs(11), tmp_path / "closed", tiny)
