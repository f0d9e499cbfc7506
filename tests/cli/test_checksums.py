"""Every command that reads a record refuses one that was changed after it was written, in one line, with 2."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import DAMAGES, damage_record, write_record
from fixtures.sides import draw, make_side
from mnist_bench.records.serial import save
from mnist_bench.timing.memory import MemoryRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.records.training import TrainingRecord

ROOT = Path(__file__).parents[2]
RUNS = "timings/Linux-CPython-3.11-64bit"
RUN = f"{RUNS}/0004_68ae8c57c4355de1_tf2.21.0_keras3.15.1.json"
PROBE = "digests/mnist/mlp-epoch/db3e573abd745bcc.json"
OTHER_PROBE = "digests/mnist/dropout-epoch/db3e573abd745bcc.json"
MLP = "accuracy/digits/mlp.json"
ACCEPT = ("--folder", "accepted", "--why", "a test", "--force")
# Of each row: the file that is changed, and the command that reads it.
READERS = {
    "baseline list": (MLP, ("baseline", "list", "--folder", ".")),
    "baseline show": (MLP, ("baseline", "show", MLP)),
    "baseline show, digests": (PROBE, ("baseline", "show", PROBE)),
    "baseline diff": (PROBE, ("baseline", "diff", OTHER_PROBE, PROBE)),
    "baseline accept": (PROBE, ("baseline", "accept", str(Path(PROBE).parent), *ACCEPT)),
    "compare, probes": (PROBE, ("compare", OTHER_PROBE, PROBE)),
    "compare, trainings": ("a/1.json", ("compare", "a", "b")),
    "compare, own model": ("own/base.json", ("compare", "own/base.json", "own/new.json")),
    "compare, versions": (
        "versions/py312-tf216.json",
        ("compare", "py311-tf215", "py312-tf216", "--versions", "versions"),
    ),
    "compare, times": (
        "versions/pairs/py312-tf216.json",
        ("compare", "py311-tf215", "py312-tf216", "--versions", "versions"),
    ),
    "matrix list": ("versions/py312-tf216.json", ("matrix", "list", "--out", "versions")),
    "matrix export": (
        "versions/py312-tf216.json",
        ("matrix", "export", "versions", "--format", "bencher", "--out", "x.json"),
    ),
    "matrix report": ("versions/py312-tf216.json", ("matrix", "report", "versions", "--out", "x.html")),
    "matrix report, times": (
        "versions/pairs/py312-tf216.json",
        ("matrix", "report", "versions", "--out", "x.html"),
    ),
    "timings list": (RUN, ("timings", "list", "--folder", "timings")),
    "timings check, run": (RUN, ("timings", "check", RUN, "--against", "timings")),
    "timings check, baseline": (
        f"{RUNS}/0014_68ae8c57c4355de1_tf2.15.1_keras2.15.0.json",
        ("timings", "check", RUN, "--against", "timings"),
    ),
    "timings check, manifest": ("timings/manifest.json", ("timings", "check", RUN, "--against", "timings")),
    "timings check, calibration": (
        "timings/calibration/68ae8c57c4355de1/gate.json",
        ("timings", "check", "run.json", "--against", "timings"),
    ),
    "timings accept": ("run.json", ("timings", "accept", "run.json", *ACCEPT[2:], "--folder", "timings")),
    "timings memory": ("memory.json", ("timings", "memory", "--against", "memory.json", "--data", "digits")),
}


@pytest.fixture
def folder(record: TrainingRecord, mlp: TrainingRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a file of each kind."""
    monkeypatch.chdir(tmp_path)
    for name in ("accuracy", "digests", "timings", "versions"):
        shutil.copytree(ROOT / "baselines" / name, name)
    for name in ("a", "b"):
        save(mlp, Path(name, "1.json"))
        save(make_side(record.environment, name, draw(2)), Path("own", "base.json" if name == "a" else "new.json"))
    shutil.copy(RUN, "run.json")
    memory = MemoryRecord(
        **dict.fromkeys(("lab", "engine", "device", "hardware_key", "tensorflow", "keras"), "it"),
        dataset_digest="0" * 64,
        import_mb=400.0,
        peak_mb=500.0,
        epochs_mb=[450.0] * 20,
    )
    write_record(Path("memory.json"), memory)
    return tmp_path


@pytest.mark.parametrize("how", ["changed", "missing", "form"])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.usefixtures("folder")
def test_a_changed_record_is_refused(
    command: Callable[..., Any], check_refused: Callable[..., None], reader: str, how: str
) -> None:
    """Nothing is judged, printed or written by what it says."""
    path, arguments = READERS[reader]
    damage_record(Path(path), how)
    before = sorted(Path().rglob("*.json"))
    answer = command(*arguments)
    if reader.endswith(" list"):  # has printed the files before this one
        answer = answer._replace(out="")
    check_refused(answer, f"{path}: {DAMAGES[how]}")
    assert sorted(Path().rglob("*.json")) == before
