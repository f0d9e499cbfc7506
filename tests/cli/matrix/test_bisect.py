"""The command `matrix bisect`: what it prints, measures and refuses, and how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import write_record
from fixtures.versions import begin_version
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions import matrix
from mnist_bench.versions.records import update_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.training.data.dataset import Dataset


def test_bisect(command: Callable[..., Any], versions: Path) -> None:
    """From the records that exist, the command finds where the verdict changes, and what else changed there."""
    answer = command("matrix", "bisect", "py311-tf214", "py312-tf216", "--versions", versions)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines()[-1] == (
        "contract/new-order of mlp by epoch changes at py312-tf216: "
        "TensorFlow 2.15.1 to 2.16.2, Keras 2.15.0 to 3.0.5, Python 3.11 to 3.12"
    )


@pytest.mark.usefixtures("stub_version")
def test_bisect_measures_what_is_missing(
    command: Callable[..., Any], versions: Path, monkeypatch: pytest.MonkeyPatch, tiny: Dataset
) -> None:
    """Only the versions that the search needs; a dry run names the candidates and measures nothing."""
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: tiny)
    (versions / "py312-tf216.json").rename(versions / "away")
    arguments = ("matrix", "bisect", "py311-tf215", "py312-tf218", "--versions", versions, "--data", "digits")
    assert command(*arguments, "--dry-run") == (0, "py312-tf216\npy312-tf217\n", "")
    asked = []

    def measure(spec: object, wanted: object, bench: object, folder: Path) -> list[object]:
        del wanted, bench
        asked.append(spec.name)
        check = CheckResult(name="contract/new-order[epoch]", verdict=Verdict.KNOWN, figure="1", bound="0")
        version = update_record(begin_version(spec), checks={"epoch": [check]})
        write_record(folder / f"{spec.name}.json", version)
        return [version]

    monkeypatch.setattr(matrix, "run_version", measure)
    answer = command(*arguments)
    assert answer.status == 0
    assert asked == ["py312-tf216"]
    assert "py312-tf216              does not hold, measured now\n" in answer.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seeds", "3"), "--seeds is for --check accuracy: leave it out"),
        (("--jobs", "2"), "--jobs is for --check accuracy: leave it out"),
        (("--epochs", "3"), "--epochs is for --check accuracy and bits: leave it out"),
        (("--epochs", "3", "--check", "bits", "--seeds", "3"), "--seeds is for --check accuracy: leave it out"),
    ],
)
def test_a_check_that_trains_nothing_has_no_options_of_trainings(
    check_refused: Callable[..., Any], command: Callable[..., Any], options: tuple[str, ...], message: str
) -> None:
    """They would be taken without a word, and change nothing."""
    check_refused(command("matrix", "bisect", "py311-tf214", "py312-tf216", *options), message)


def test_bisect_refuses(check_refused: Callable[..., Any], command: Callable[..., Any], versions: Path) -> None:
    """Ends that are not good and bad, and unknown names."""
    arguments = ("--versions", versions)
    check_refused(
        command("matrix", "bisect", "py311-tf214", "py311-tf215", *arguments),
        "no change of the verdict to find",
    )
    check_refused(command("matrix", "bisect", "py311-tf214", "tf15", *arguments), "unknown version 'tf15'")
    check_refused(
        command("matrix", "bisect", "py311-tf214", "py312-tf216", "--check", "contract/new-oder"),
        "unknown check 'contract/new-oder': choose from bits, accuracy, structure/layers, ",
    )
    check_refused(command("matrix", "bisect", "a", "b", "--lab", "cnn"), "unknown lab 'cnn'")
