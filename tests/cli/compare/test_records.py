"""`compare` of two records: what it prints, writes and refuses, and how it ends."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import write_record
from fixtures.records import make_digest, rekey
from mnist_bench.records.serial import save
from mnist_bench.versions.seeds import select_seeds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.versions.records import VersionRecord

# What every comparison names: the data, the backend and the precision.
BASIS = "data digits (the stand-in, not MNIST); backend tensorflow, float32"


def test_compare_the_same(command: Callable[..., Any], probe_file: Path) -> None:
    """Identical probes are a single line, and 0."""
    other = probe_file.with_name("other.json")
    other.write_bytes(probe_file.read_bytes())
    assert command("compare", probe_file, other) == (0, f"identical in all 10 stages\n{BASIS}\n", "")


@pytest.mark.parametrize("name", ["my records", "new\nline", "a keras==3.9.0", "tensorflow==2.19"])
def test_what_exists_is_a_path(command: Callable[..., Any], probe_file: Path, name: str) -> None:
    """A path with a blank, or with the look of a requirement, is read as the record or folder that it is."""
    folder = probe_file.parent / name
    folder.mkdir()
    copy = folder / "a probe.json"
    copy.write_bytes(probe_file.read_bytes())
    assert command("compare", probe_file, copy, "--same").status == 0
    assert command("compare", probe_file, folder, "--same").status == 0


def test_compare_refuses_one_record_on_both_sides(
    check_refused: Callable[..., Any],
    command: Callable[..., Any],
    mlp: TrainingRecord,
    probe_file: Path,
    versions: Path,
    tmp_path: Path,
) -> None:
    """A record, a folder, a version, a link, a copy: compared with itself, nothing is worse, and --same asks for it."""
    save(mlp, tmp_path / "runs" / "a.json")
    save(mlp, tmp_path / "copy" / "b.json")
    laid_out = write_record(tmp_path / "laid-out.json", mlp)
    assert laid_out.read_bytes() != (tmp_path / "copy" / "b.json").read_bytes()
    (tmp_path / "link.json").symlink_to(probe_file)
    run = tmp_path / "runs" / "a.json"
    pairs: list[tuple[object, object]] = [
        (probe_file, probe_file),
        (probe_file, tmp_path / "link.json"),
        (run, run.parent),
        (run, tmp_path / "copy"),
        (run, laid_out),
        (versions, versions),
        ("py311-tf215", "2.15"),
        ("py311-tf215", versions / "py311-tf215.json"),
    ]
    for base, new in pairs:
        same = command("compare", base, new, "--versions", versions)
        check_refused(same, f"{base} and {new} are the same record: nothing to compare; to compare it with itself")
        assert command("compare", base, new, "--versions", versions, "--same").status in (0, 3)


def test_versions_by_name_share_the_trainings_of_their_bits(
    command: Callable[..., Any], make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path
) -> None:
    """The answer is that of the page: further seeds of another version of the same bits count; a file is that alone."""
    records = make_versions(["py311-tf214", "py311-tf215", "py312-tf216"], seeds=9, cost=0)
    (results,) = records["py311-tf214"].accuracy
    few = dataclasses.replace(records["py311-tf214"], accuracy=[select_seeds(results, results.seeds[:3])])
    for record in (few, records["py311-tf215"], records["py312-tf216"]):
        save(record, tmp_path / f"{record.version.name}.json")
    note = "note: py311-tf214: with the further seeds of a version on record whose trainings end in the same bits"
    by_name = command("compare", "2.14", "2.16", "--versions", tmp_path)
    assert "9 seeds against 9" in by_name.out
    assert note in by_name.out.splitlines()
    by_file = command("compare", tmp_path / "py311-tf214.json", "2.16", "--versions", tmp_path)
    assert "9 seeds against 9" not in by_file.out
    assert note not in by_file.out.splitlines()


def test_compare_folders_that_contradict_themselves(
    command: Callable[..., Any], mlp: TrainingRecord, tmp_path: Path
) -> None:
    """Both sides agree in all bits, and each record has the layers of no such model: no answer, and 3."""
    for side in ("base", "new"):
        training = dataclasses.replace(mlp, layers=[], created=f"2026-01-0{len(side)}T00:00:00+00:00")
        save(training, tmp_path / side / "1671.json")
    answer = command("compare", tmp_path / "base", tmp_path / "new")
    assert answer.status == 3
    assert "INCONCLUSIVE accuracy/agreement[mlp-epoch]" in answer.out
    assert "not judged: seed 1671: layers of no weights, and the lab's are of 128 units with 100,480" in answer.out


def test_compare_what_moved(edit: Callable[..., Any], command: Callable[..., Any], probe_file: Path) -> None:
    """The first stage that differs is named with its size and what may explain it; all of them are listed; 1."""
    other = edit(probe_file, make_digest("mlp gradient "), make_digest("moved"))
    other = edit(edit(other, '"keras": "3.15.1"', '"keras": "3.14.1"'), '"name": "forward"', '"name": "forwards"')
    facts = json.loads(other.read_text())
    write_record(other, facts | {"environment": rekey(facts["environment"])})
    answer = command("compare", probe_file, other)
    odd = "not judged, because this is not the lab's own probe"
    only = "only in the second probe"
    assert (answer.status, answer.err) == (3, "")
    assert answer.out.splitlines() == [
        f"first stage that differs: forwards, {only}; 8 of 11 stages alike; keras '3.15.1' and '3.14.1'",
        BASIS,
        f"  forwards                   {only}",
        "  forward                    only in the first probe",
        "  gradient                   other bits, but the same kept values",
        f"INCONCLUSIVE: {odd}: 1 of 10 stages are missing, such as 'forward', 1 unknown stages, such as 'forwards'",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"lab": "mlp"', '"lab": "dropout"', "differ in their lab cannot be compared: 'mlp' and 'dropout'"),
        ('"seed": 1671', '"seed": 7', "differ in their seed cannot be compared: 1671 and 7"),
        ('"source": "digits"', '"source": "mnist"', "their dataset source cannot be compared: 'digits' and 'mnist'"),
        ('"kind": "probe"', '"kind": "x"', "edited.json: kind is 'x', expected 'training' or 'probe' or 'version'"),
        ('"kind": "probe"', '"kind": "version"', "edited.json: $: Object contains unknown field"),
        ('"schema_version": 1', '"schema_version": 0', "edited.json: schema_version is 0, this version reads 1"),
        ('"digest"', '"hash"', "edited.json: $.dataset: Object contains unknown field `hash`"),
    ],
    ids=["lab", "seed", "data", "kind", "other-kind", "schema", "field"],
)
def test_compare_refuses(
    check_refused: Callable[..., Any],
    edit: Callable[..., Any],
    command: Callable[..., Any],
    probe_file: Path,
    old: str,
    new: str,
    message: str,
) -> None:
    """Probes that cannot be compared, and files that are none, are one line and 2."""
    check_refused(command("compare", probe_file, edit(probe_file, old, new)), message)


def test_a_record_of_another_kind_has_another_command(
    check_refused: Callable[..., Any],
    command: Callable[..., Any],
    probe_file: Path,
    timing_run: dict[str, Any],
    tmp_path: Path,
) -> None:
    """A run of the benchmarks and a baseline are named, with the command that reads them."""
    run = tmp_path / "run.json"
    write_record(run, timing_run)
    message = f"{run}: a run of the benchmarks, by pytest-benchmark: mnist-bench timings check reads it"
    check_refused(command("compare", run, probe_file), message)
    run.write_text('{"kind": "accuracy-baseline", "schema_version": 1}')
    check_refused(command("compare", run, probe_file), "or 'version'; mnist-bench baseline diff reads that kind")


def test_compare_refuses_what_is_not_there(
    check_refused: Callable[..., Any], command: Callable[..., Any], probe_file: Path
) -> None:
    """A missing file is named; a missing argument is bad usage."""
    check_refused(
        command("compare", probe_file, probe_file.parent / "none.json"), "none.json: neither a record, a folder"
    )
    check_refused(command("compare", probe_file), "Missing argument")


def test_compare_two_trainings(command: Callable[..., Any], mlp: TrainingRecord, tmp_path: Path) -> None:
    """The same weights are IDENTICAL; of others one seed says nothing, and that is 3."""
    for second, (name, digest) in enumerate((("a", "1"), ("b", "1"), ("c", "2"))):
        made = dataclasses.replace(mlp, final_digest=digest * 64, created=f"2026-01-01T00:00:0{second}+00:00")
        save(made, tmp_path / f"{name}.json")
    answer = command("compare", tmp_path / "a.json", tmp_path / "b.json")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines()[:3] == [
        "Upgrade: nothing is worse. TensorFlow 2.21 with Keras 3.15 ends every training in the same bits.",
        "",
        "IDENTICAL    bits/mlp-epoch                             the final weights of 1 seed  (the same bits)",
    ]
    answer = command("compare", tmp_path / "a.json", tmp_path / "c.json")
    assert answer.status == 3
    assert answer.out.splitlines()[-1] == "INCONCLUSIVE: 2 INCONCLUSIVE"


def test_compare_folders_of_trainings(command: Callable[..., Any], mlp: TrainingRecord, tmp_path: Path) -> None:
    """Seven seeds on each side get a verdict, in three forms."""
    for side, lost in (("base", 0.0), ("new", 0.01)):
        for seed in range(7):
            config = dataclasses.replace(mlp.config, seed=seed)
            fields = {
                "test_accuracy": 0.977 - lost + seed * 1e-4,
                "final_digest": make_digest(f"{side}{seed}"),
                "initial_digest": make_digest(f"initial {side}{seed}"),
            }
            save(dataclasses.replace(mlp, config=config, **fields), tmp_path / side / f"{seed}.json")
    table = tmp_path / "table.md"
    answer = command(
        "compare", tmp_path / "base", tmp_path / "new", "--json", "--markdown", table, "--junit", tmp_path / "junit.xml"
    )
    facts = json.loads(answer.out)
    assert (answer.status, facts["exit_status"], facts["verdict"]) == (1, 1, "REGRESSED")
    found = {check["name"]: check["verdict"] for check in facts["checks"]}
    assert found["accuracy/accuracy[mlp-epoch]"] == "REGRESSED"
    assert found["accuracy/threshold[mlp-epoch]"] == "REGRESSED"
    assert facts["answer"].startswith("Do not upgrade unseen to TensorFlow 2.21 with Keras 3.15: ")
    assert "the MLP loses 1.00 points of accuracy" in facts["answer"]
    assert table.read_text().startswith("Do not upgrade unseen")
    assert "**REGRESSED: " in table.read_text()


def test_compare_versions_by_name(
    check_refused: Callable[..., Any], command: Callable[..., Any], versions: Path
) -> None:
    """Names are looked up among the records; folders are compared name by name. One check alone is no answer: 3."""
    answer = command("compare", "py311-tf215", "py312-tf216", "--versions", versions)
    assert answer.status == 1
    assert answer.out.splitlines()[2].startswith("REGRESSED    contract/new-order[epoch]")
    answer = command("compare", versions, versions, "--same")
    assert answer.status == 3
    assert answer.out.splitlines()[0].startswith("PASS         py311-tf214: checks/others")
    message = "py313-tf221: not measured yet, in"
    check_refused(command("compare", "py311-tf215", "py313-tf221", "--versions", versions), message)
    check_refused(
        command("compare", "py311-tf215", versions, "--versions", versions),
        "can be compared with another such",
    )
    check_refused(
        command("compare", "x", "y"), "x: neither a record, a folder of records, an interpreter nor a version"
    )


@pytest.mark.parametrize(("base", "new"), [("2.15", "2.16"), ("tf215", "tf216"), ("2.15.1", "py312-tf216")])
def test_compare_versions_by_short_forms(command: Callable[..., Any], versions: Path, base: str, new: str) -> None:
    """A release of TensorFlow means its version with the Keras of its time."""
    names = command("compare", "py311-tf215", "py312-tf216", "--versions", versions)
    assert command("compare", base, new, "--versions", versions) == names


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("2.17", "2.17: not measured yet, in .*: mnist-bench matrix run py312-tf217"),
        ("py311-tf251", "nor a version in .*; similar names: .*py311-tf215"),
        ("py312_tf216", "; similar names: py312-tf216"),
        ("2.16.1", r"; similar names: .*2\.16\b"),
        ("nightli", "; similar names: nightly"),
    ],
)
def test_a_name_that_is_not_there_has_similar_names(
    command: Callable[..., Any], versions: Path, name: str, said: str
) -> None:
    """The names of the matrix and of the folder, if they look alike."""
    (versions / "nightly.json").write_text("{}")
    answer = command("compare", name, "py312-tf216", "--versions", versions)
    assert (answer.status, answer.out) == (2, "")
    assert re.search(said, answer.err), answer.err


def test_compare_refuses_a_folder_that_is_mixed(
    check_refused: Callable[..., Any],
    edit: Callable[..., Any],
    command: Callable[..., Any],
    mlp: TrainingRecord,
    probe_file: Path,
    versions: Path,
    tmp_path: Path,
) -> None:
    """Nothing, other data, two probes of one case, or versions among other records."""
    (tmp_path / "empty").mkdir()
    check_refused(command("compare", tmp_path / "empty", probe_file), "empty: no records (*.json) there")
    save(mlp, probe_file.parent / "training.json")
    edit(probe_file, '"source": "digits"', '"source": "mnist"')
    check_refused(command("compare", probe_file.parent, probe_file), "records of different data are mixed")
    edit(probe_file, make_digest("mlp gradient "), make_digest("moved"))
    check_refused(command("compare", probe_file.parent, probe_file), "probes: two probes of mlp-epoch")
    save(mlp, versions / "training.json")
    check_refused(command("compare", versions, probe_file), "records of versions are mixed with other records")
