"""The commands `baseline ...`: what they print, write and refuse, and how they end."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import edit_record, write_record
from fixtures.records import make_digest, rekey
from mnist_bench.checks import baselines
from mnist_bench.checks.names import PROBE_EPOCHS, list_stages
from mnist_bench.records.acceptance import make_acceptance
from mnist_bench.records.serial import save
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

pytestmark = pytest.mark.usefixtures("contracts")


@pytest.fixture
def records(mlp: TrainingRecord, tmp_path: Path) -> Path:
    """A folder with the records of three seeds."""
    for seed, accuracy in enumerate((0.976, 0.977, 0.978), start=1):
        config = dataclasses.replace(mlp.config, seed=seed)
        record = dataclasses.replace(
            mlp,
            config=config,
            test_accuracy=accuracy,
            final_digest=make_digest(str(seed)),
            initial_digest=make_digest(f"initial {seed}"),
        )
        save(record, tmp_path / "records" / f"{seed}.json")
    return tmp_path / "records"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for baselines, which is not there yet."""
    return tmp_path / "baselines"


def test_baseline_accept_list_and_show(
    command: Callable[..., Any], records: Path, probe_file: Path, folder: Path
) -> None:
    """What was accepted is listed, and shown with its figures, who accepted it and why."""
    place, digests = folder / "accuracy" / "digits" / "mlp.json", folder / "digests" / "digits" / "mlp-epoch"
    answer = command("baseline", "accept", records, "--folder", folder, "--why", "the first")
    assert answer == (0, f"accepted: {place}\n", "")
    answer = command("baseline", "accept", probe_file.parent, "--folder", folder, "--why", "the bits")
    assert answer == (0, f"accepted: {digests / 'db3e573abd745bcc.json'}\n", "")

    answer = command("baseline", "list", "--folder", folder)
    assert (answer.status, answer.out.splitlines()) == (
        0,
        [
            "accuracy/digits/mlp.json: epoch 3 seeds",
            "digests/digits/mlp-epoch/db3e573abd745bcc.json: 10 stages, Keras 3.15.1, avx2",
        ],
    )

    head, figures, who = command("baseline", "show", place).out.splitlines()
    assert head == "mlp on digits; if an engine has several references, the last is in force"
    assert figures == (
        "epoch: 3 seeds, 20 epochs: accuracy 0.9770 ± 0.0010 (0.9760 to 0.9780), "
        "loss 0.0768 ± 0.0000 (0.0768 to 0.0768)"
    )
    user = re.escape(make_acceptance("x").who)
    assert re.fullmatch(rf"  TensorFlow 2.21.0, Keras 3.15.1; accepted 2\S+ by {user}: the first", who)

    head, *stages, who = command("baseline", "show", digests / "db3e573abd745bcc.json").out.splitlines()
    assert head == "mlp by epoch on digits: 10 stages, Keras 3.15.1, avx2"
    assert [stage.split()[:-1] for stage in stages] == [name.split() for name in list_stages(LABS["mlp"], PROBE_EPOCHS)]
    assert who.endswith(f"by {make_acceptance('x').who}: the bits")


def test_baseline_show_a_probe_that_is_no_baseline(command: Callable[..., Any], probe_file: Path) -> None:
    """Nobody has accepted it, and nobody is named."""
    answer = command("baseline", "show", probe_file)
    assert answer.status == 0
    assert len(answer.out.splitlines()) == 11


def test_baseline_accept_supersedes(command: Callable[..., Any], records: Path, folder: Path) -> None:
    """The earlier reference is kept, and shown above the one in force."""
    for why in ("the first", "the second"):
        command("baseline", "accept", records, "--folder", folder, "--why", why)
    path = folder / "accuracy" / "digits" / "mlp.json"
    head, *lines = command("baseline", "show", path).out.splitlines()
    assert head.startswith("mlp on digits; ")
    assert [line.rpartition(": ")[2] for line in lines[1::2]] == ["the first", "the second"]
    assert len(json.loads(path.read_text())["references"]) == 2


def test_baseline_accept_by_force(
    check_refused: Callable[..., Any],
    command: Callable[..., Any],
    records: Path,
    folder: Path,
    contracts: dict[str, Verdict],
) -> None:
    """Against the rules nothing is written without --force; with it, `show` says what was forced."""
    contracts["mean-loss"] = Verdict.REGRESSED
    arguments = ("baseline", "accept", records, "--folder", folder, "--why", "a test")
    check_refused(command(*arguments), "not accepted: contract/mean-loss[epoch] fails here (--force says so")
    assert not folder.exists()
    assert command(*arguments, "--force").status == 0
    shown = command("baseline", "show", folder / "accuracy" / "digits" / "mlp.json").out
    assert shown.endswith(": a test; FORCED: contract/mean-loss[epoch] fails here\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--why'"),
        (("--why", " "), "a baseline needs a reason"),
        (("--why", "a test", "--forced"), "No such option"),
    ],
    ids=["none", "empty", "option"],
)
def test_baseline_accept_asks_for_a_reason(
    command: Callable[..., Any], records: Path, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Without a reason nothing is accepted."""
    answer = command("baseline", "accept", records, "--folder", folder, *arguments)
    assert message in answer.err
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert not folder.exists()


def test_baseline_accept_refuses_bad_records(
    check_refused: Callable[..., Any],
    edit: Callable[..., Any],
    command: Callable[..., Any],
    records: Path,
    folder: Path,
) -> None:
    """A file that is wrong is named with its field; a folder without records, too."""
    edit(records / "1.json", '"test_accuracy": 0.976', '"test_accuracy": 97.6')
    answer = command("baseline", "accept", records, "--folder", folder, "--why", "a test")
    check_refused(answer, "edited.json: $: test_accuracy 97.6 is outside 0 to 1")
    answer = command("baseline", "accept", records / "none", "--folder", folder, "--why", "a test")
    check_refused(answer, "none: no records (*.json) there")
    assert not folder.exists()


def test_baseline_accept_into_a_file(
    check_refused: Callable[..., Any], command: Callable[..., Any], records: Path, folder: Path
) -> None:
    """A folder that cannot be one is one line, and the file in its place stays."""
    folder.write_text("a file")
    answer = command("baseline", "accept", records, "--folder", folder, "--why", "a test")
    check_refused(answer, str(folder))
    assert folder.read_text() == "a file"


def test_baseline_list_of_nothing(
    check_refused: Callable[..., Any], command: Callable[..., Any], tmp_path: Path
) -> None:
    """An empty folder is named; a folder that does not exist is bad input."""
    answer = command("baseline", "list", "--folder", tmp_path)
    assert answer == (0, "", f"mnist-bench: {tmp_path}: no baselines\n")
    check_refused(command("baseline", "list", "--folder", tmp_path / "none"), "none: no such folder")


def test_baseline_list_of_the_shipped_ones(
    command: Callable[..., Any], records: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --folder the package's own baselines are listed."""
    command("baseline", "accept", records, "--folder", folder, "--why", "a test")
    monkeypatch.setattr(baselines, "find_folder", lambda: folder)
    assert command("baseline", "list").out == "accuracy/digits/mlp.json: epoch 3 seeds\n"


@pytest.mark.parametrize("name", ["list", "show", "diff"])
def test_a_damaged_baseline_is_bad_input(
    check_refused: Callable[..., Any],
    edit: Callable[..., Any],
    command: Callable[..., Any],
    records: Path,
    folder: Path,
    name: str,
) -> None:
    """Every command that reads the file names the file and the fault."""
    command("baseline", "accept", records, "--folder", folder, "--why", "a test")
    path = folder / "accuracy" / "digits" / "mlp.json"
    edit(path, '"epochs": 20', '"epochs": "20"', name="mlp.json")
    arguments = {"list": ("--folder", folder), "show": (path,), "diff": (path, path)}[name]
    check_refused(command("baseline", name, *arguments), f"{path}: $.references[0].epochs: Expected `int`, got `str`")


def test_baseline_diff(
    check_refused: Callable[..., Any], command: Callable[..., Any], records: Path, folder: Path, probe_file: Path
) -> None:
    """Two references get the statistics' verdicts, two probes the first stage; other pairs are refused."""
    command("baseline", "accept", records, "--folder", folder, "--why", "a test")
    path = folder / "accuracy" / "digits" / "mlp.json"
    copy = folder / "copy.json"
    copy.write_bytes(path.read_bytes())
    answer = command("baseline", "diff", path, copy)
    accuracy, loss = answer.out.splitlines()
    assert answer.status == 3
    assert accuracy.startswith("epoch accuracy: INCONCLUSIVE: too few seeds")
    assert loss.startswith("epoch loss: ")
    copy.write_bytes(probe_file.read_bytes())
    assert command("baseline", "diff", probe_file, copy).out == "identical in all 10 stages\n"
    check_refused(command("baseline", "diff", path, path), "are the same baseline: nothing to compare")
    check_refused(command("baseline", "diff", path, probe_file), "are of different kinds")


def test_baseline_alone_is_bad_usage(command: Callable[..., Any]) -> None:
    """Without a command of its own, `baseline` lists the commands."""
    answer = command("baseline")
    assert answer.status == 2
    for name in ("list", "show", "accept", "diff"):
        assert name in answer.out + answer.err


def test_a_baseline_forges_no_line(command: Callable[..., Any], probe_file: Path, folder: Path) -> None:
    """What a terminal or a CI system would obey is shown as text, on the line it belongs to."""
    command("baseline", "accept", probe_file.parent, "--folder", folder, "--why", "why", "--force")
    path = next(folder.rglob("*.json"))
    plain = command("baseline", "show", path).out.splitlines()
    text = path.read_text().replace('"why": "why"', json.dumps("why\n::error::x\x1b[2J")[1:-1].join(['"why": "', '"']))
    facts = json.loads(text.replace('"forward"', json.dumps("forward\nPASS")))
    facts["environment"] = rekey(facts["environment"] | {"instruction_set": "avx2\r\x1b[1A"})
    write_record(path, facts)
    for arguments in (("show", path), ("list", "--folder", folder)):
        answer = command("baseline", *arguments)
        assert answer.status == 0
        assert "\x1b" not in answer.out
        assert not any(line.lstrip().startswith(("::", "PASS")) for line in answer.out.splitlines())
    assert len(command("baseline", "show", path).out.splitlines()) == len(plain)


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("training", '"source": "digits"', '"source": "../../outside"'),
        ("training", '"source": "digits"', '"source": "/OUTSIDE"'),
        ("training", '"lab": "mlp"', '"lab": "../mlp"'),
        ("probe", '"source": "digits"', '"source": "../../outside"'),
        ("probe", '"numerics_key": "db3e573abd745bcc"', '"numerics_key": "../../../../outside"'),
        ("probe", '"numerics_key": "db3e573abd745bcc"', '"numerics_key": "/OUTSIDE"'),
        ("probe", '"engine": "epoch"', '"engine": "x/../../../../outside"'),
    ],
)
def test_no_record_is_accepted_outside_the_folder(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    records: Path,
    probe_file: Path,
    tmp_path: Path,
    *,
    kind: str,
    old: str,
    new: str,
) -> None:
    """A name with a path in it is refused where it is read; no file is written, and none is replaced."""
    path = records / "1.json" if kind == "training" else probe_file
    edit_record(path, old, new.replace("/OUTSIDE", str(tmp_path / "outside")))
    before = sorted(tmp_path.rglob("*"))
    answer = command("baseline", "accept", path.parent, "--folder", tmp_path / "a" / "b", "--why", "x", "--force")
    check_refused(answer, "follows from the fields" if "numerics_key" in old else "is not allowed: up to 64 of")
    assert sorted(tmp_path.rglob("*")) == before
