"""The fingerprint says what runs where, and its keys change with what moves figures, and with nothing else."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
from importlib import metadata
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import (
    HARDWARE_FIELDS,
    NUMERICS_FIELDS,
    EnvironmentRecord,
    Gpu,
    change_environment,
    explain_keys,
    make_key,
)
from mnist_bench.training import fingerprint
from mnist_bench.training.backend import load_tensorflow, set_determinism
from mnist_bench.training.fingerprint import (
    UNKNOWN_COMMIT,
    collect_environment,
    find_instruction_set,
    find_package_version,
    read_commit,
)
from mnist_bench.training.workers.events import Finished
from mnist_bench.training.workers.pool import train_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

A_GPU = Gpu(name="H200", compute_capability="9.0", driver="550.1")
NUMERICS, HARDWARE = {"numerics"}, {"hardware"}


@pytest.fixture(scope="module")
def here() -> EnvironmentRecord:
    """The fingerprint of this process."""
    return collect_environment(device="cpu", xla=False)


def make_keys(fields: dict[str, Any]) -> dict[str, str]:
    """Return both keys of an environment's fields."""
    return {"numerics": make_key(fields, NUMERICS_FIELDS), "hardware": make_key(fields, HARDWARE_FIELDS)}


def test_says_what_runs_here(here: EnvironmentRecord) -> None:
    """Versions, machine and threads are those that Python, TensorFlow and the system report."""
    tf = load_tensorflow()
    assert here.python == platform.python_version()
    assert here.tensorflow == tf.__version__
    assert here.keras == metadata.version("keras")
    assert here.numpy == metadata.version("numpy")
    assert here.project == metadata.version("mnist-bench")
    assert (here.backend, here.precision) == ("tensorflow", "float32")
    assert (here.system, here.machine) == (platform.system(), platform.machine())
    assert 1 <= here.usable_cores <= here.cores
    assert here.cpu
    assert here.instruction_set != "unknown"
    assert (here.device, here.gpus, here.xla) == ("cpu", [], False)
    assert make_keys(vars(here)) == {"numerics": here.numerics_key, "hardware": here.hardware_key}


def test_reads_the_state_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables, op determinism and XLA are read when asked, not remembered."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    set_determinism(on=True)
    first = collect_environment(device="cpu", xla=True)
    assert (first.onednn, first.op_determinism, first.xla) == ("0", True, True)
    assert first.flags["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false"
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    monkeypatch.delenv("XLA_FLAGS")
    set_determinism(on=False)
    second = collect_environment(device="cpu", xla=False)
    assert (second.onednn, second.op_determinism, second.xla) == ("default", False, False)
    assert "XLA_FLAGS" not in second.flags
    assert second.numerics_key != first.numerics_key
    assert second.hardware_key == first.hardware_key


@pytest.mark.parametrize(
    ("name", "value", "moved"),
    [
        ("keras", "3.0.0", NUMERICS),
        ("backend", "jax", NUMERICS),
        ("precision", "mixed_float16", NUMERICS),
        ("xla", True, NUMERICS),
        ("op_determinism", False, NUMERICS),
        ("onednn", "0", NUMERICS),
        ("flags", {"XLA_FLAGS": "--a"}, NUMERICS),
        ("instruction_set", "avx512", NUMERICS | HARDWARE),
        ("device", "gpu", NUMERICS | HARDWARE),
        ("gpus", [A_GPU], NUMERICS | HARDWARE),
        ("system", "Darwin", HARDWARE),
        ("machine", "arm64", HARDWARE),
        ("cpu", "Another CPU", HARDWARE),
        ("cores", 64, HARDWARE),
        ("usable_cores", 1, NUMERICS | HARDWARE),
        ("tensorflow", "2.16.2", set()),
        ("python", "3.13.0", set()),
        ("numpy", "1.26.4", set()),
        ("project", "9.9", set()),
        ("commit", "0123abc", set()),
        ("intra_op_threads", 1, NUMERICS),
        ("inter_op_threads", 1, set()),
    ],
)
def test_which_field_moves_which_key(record: TrainingRecord, name: str, value: Any, moved: set[str]) -> None:
    """Each field moves the keys that it should, and no other."""
    fields = vars(record.environment)
    before, after = make_keys(fields), make_keys(fields | {name: value})
    assert {key for key in before if before[key] != after[key]} == moved


def test_it_is_the_threads_that_count(record: TrainingRecord) -> None:
    """Two threads are two, whether set or left to TensorFlow, which takes one for each usable core."""
    fields = vars(record.environment)
    two = make_keys(fields | {"intra_op_threads": 2, "usable_cores": 1})
    assert make_keys(fields)["numerics"] == two["numerics"]


def test_the_name_of_a_gpu_counts_and_its_driver_does_not(record: TrainingRecord) -> None:
    """A driver changes neither key; the record names it."""
    fields = vars(record.environment)
    newer = dataclasses.replace(A_GPU, driver="560.2")
    another = dataclasses.replace(A_GPU, name="A100")
    first, second, third = (make_keys(fields | {"gpus": [gpu]}) for gpu in (A_GPU, newer, another))
    assert first == second
    assert first["numerics"] != third["numerics"]
    assert first["hardware"] != third["hardware"]


def test_says_which_field_differs(record: TrainingRecord) -> None:
    """Two environments that may not be compared are told apart by the names and values that differ."""
    environment = record.environment
    changed = change_environment(environment, keras="3.0.0", python="3.13.0", cpu="Another CPU", gpus=[A_GPU])
    gpus = {"gpu_names": ([], ["H200"])}
    assert explain_keys(environment, environment, NUMERICS_FIELDS) == {}
    assert explain_keys(environment, changed, NUMERICS_FIELDS) == {"keras": ("3.15.1", "3.0.0")} | gpus
    assert explain_keys(environment, changed, HARDWARE_FIELDS) == {"cpu": ("A CPU", "Another CPU")} | gpus


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("sse4_1", "sse4"),
        ("sse4_1 avx", "avx"),
        ("sse4_1 avx avx2", "avx"),
        ("sse4_1 avx avx2 fma", "avx2"),
        ("avx avx2 fma avx512f", "avx512"),
        ("avx avx2 fma avx512f avx512_vnni", "avx512_vnni"),
        ("avx avx2 fma avx512f avx512_vnni avx512_bf16", "avx512_bf16"),
        ("avx avx2 fma avx512f avx512_vnni avx512_bf16 amx_tile", "amx"),
        ("fp asimd", "neon"),
        ("fp asimd sve", "sve"),
        ("fpu vme", "unknown"),
    ],
)
def test_finds_the_widest_instructions(flags: str, name: str) -> None:
    """The name is that of the widest set whose flags are all there."""
    assert find_instruction_set(set(flags.split())) == name


X86 = """processor\t: 0
model name\t: Some CPU @ 2.50GHz
flags\t\t: fpu avx2 fma

processor\t: 1
model name\t: Some other CPU
flags\t\t: fpu
"""
ARM = """processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd
CPU implementer\t: 0x41
CPU part\t: 0xd0c
"""
MAC = """machdep.cpu.brand_string: Intel(R) Core(TM) i7
machdep.cpu.features: FPU AVX1.0 FMA
machdep.cpu.leaf7_features: AVX2 BMI2
"""


@pytest.mark.parametrize(
    ("text", "name", "part", "flags"),
    [
        (X86, "Some CPU @ 2.50GHz", "", {"fpu", "avx2", "fma"}),
        (ARM, None, ", part 0xd0c of implementer 0x41", {"fp", "asimd"}),
        ("", None, "", set()),
    ],
    ids=["x86", "arm", "empty"],
)
def test_reads_the_cpu_from_linux(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str | None, part: str, flags: set[str]
) -> None:
    """Name and flags are the first processor's; without a name there, Python's name is taken, with ARM's part."""
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(fingerprint, "Path", lambda _: tmp_path / "cpuinfo")
    found, found_flags = fingerprint._read_cpu.__wrapped__()
    assert found == (name or platform.processor() or "unknown") + part
    assert found_flags == flags


def test_reads_the_cpu_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc, macOS is asked; where that is not the system, Python's own name is taken."""
    monkeypatch.setattr(fingerprint, "Path", lambda _: tmp_path / "none")
    monkeypatch.setattr(fingerprint, "_ask", lambda _: MAC)
    name, flags = fingerprint._read_cpu.__wrapped__()
    assert name == "Intel(R) Core(TM) i7"
    assert fingerprint.find_instruction_set(flags) == "avx2"
    monkeypatch.undo()
    monkeypatch.setattr(fingerprint, "Path", lambda _: tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fingerprint._read_cpu.__wrapped__() == (platform.processor() or "unknown", set())


def test_reads_the_commit_of_a_checkout(tmp_path: Path) -> None:
    """A clean checkout gives its commit, a changed one is marked, and no checkout gives none."""
    assert read_commit(tmp_path) is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)  # noqa: S607 - from the PATH
    commit = read_commit(tmp_path)
    assert commit is not None
    assert len(commit) == 40
    (tmp_path / "file").write_text("")
    assert read_commit(tmp_path) == f"{commit}+dirty"


@pytest.mark.parametrize("fault", ["refused", "missing", "empty"])
def test_a_git_that_does_not_answer_is_no_clean_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Neither a checkout of another user ("dubious ownership") nor one without git or a commit has a known state."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)  # noqa: S607 - from the PATH
    if fault != "empty":
        (tmp_path / "bin").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if fault == "refused":
        (tmp_path / "bin" / "git").write_text("#!/bin/sh\necho 'fatal: detected dubious ownership' >&2; exit 128\n")
        (tmp_path / "bin" / "git").chmod(0o755)
    assert read_commit(tmp_path) == UNKNOWN_COMMIT


def test_a_git_hook_s_repository_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a hook GIT_DIR names the hook's repository, which is not this one."""
    commits = []
    for name in "ab":
        (tmp_path / name).mkdir()
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", name]):
            subprocess.run(["git", *command], cwd=tmp_path / name, check=True)  # noqa: S607 - from the PATH
        commits.append(read_commit(tmp_path / name))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "a" / ".git"))
    assert read_commit(tmp_path / "b") == commits[1] != commits[0]


def test_an_installed_package_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment inside another project's checkout gives no commit; git is not needed."""
    assert read_commit(tmp_path / "site-packages" / "mnist_bench") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_commit(tmp_path) is None


def test_reads_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, compute capability and driver come from TensorFlow and from nvidia-smi."""
    details = {"device_name": "H200", "compute_capability": (9, 0)}
    config = SimpleNamespace(
        get_visible_devices=lambda _: ["a", "b"],
        experimental=SimpleNamespace(get_device_details=lambda gpu: details if gpu == "a" else {}),
    )
    monkeypatch.setattr(fingerprint, "_ask", lambda _: "550.1\n550.1")
    gpus = fingerprint._collect_gpus(SimpleNamespace(config=config))
    assert gpus == [A_GPU, Gpu(name="unknown", compute_capability="", driver="550.1")]


def test_without_nvidia_smi_the_driver_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing nvidia-smi is no error."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fingerprint._read_driver() is None


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["H100", "H200"]),
        ("1", ["H200"]),
        ("", []),
        ("-1", []),
        ("0,7,1", ["H100"]),
        ("GPU-bbb", ["H200"]),
        ("GPU-bbb-2, GPU-aaa-1", ["H200", "H100"]),
        ("GPU-ccc,0", []),
        ("MIG-xyz", ["a MIG device"]),
    ],
)
def test_names_the_gpus_without_tensorflow(
    visible: str | None, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The GPUs are those that CUDA would show this process."""
    monkeypatch.setattr(fingerprint, "_ask", lambda _: "0, GPU-aaa-1, H100\n1, GPU-bbb-2, H200")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert fingerprint.find_gpu_names() == names


def test_without_nvidia_smi_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing nvidia-smi is no error."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fingerprint.find_gpu_names() == []


def test_counts_the_cores_of_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process pinned to one core has one; without pinning it has all."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert fingerprint.count_usable_cores() == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    assert fingerprint.count_usable_cores() == os.cpu_count()


@pytest.mark.parametrize(
    ("value", "version", "flags", "recorded"),
    [
        pytest.param(None, "2.21.0", {"avx512_vnni"}, "default", id="unset"),
        pytest.param("1", "2.21.0", {"avx512_vnni"}, "default", id="on anyway"),
        pytest.param("0", "2.21.0", {"avx512_vnni"}, "0", id="turned off"),
        pytest.param("1", "2.21.0", {"avx2"}, "1", id="turned on"),
        pytest.param("0", "2.21.0", {"avx2"}, "default", id="off anyway"),
        pytest.param("1", "2.8.4", {"avx512_vnni"}, "1", id="turned on before it was the default"),
        pytest.param("2", "2.21.0", {"avx512_vnni"}, "2", id="neither"),
    ],
)
def test_onednn_is_told_apart_from_its_default(
    value: str | None, version: str, flags: set[str], recorded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable counts where it changes something: set to the default, it is the same key as unset."""
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if value is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert fingerprint.read_onednn(version, flags) == recorded
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert fingerprint.read_onednn(version, flags) == (value or "default")


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        pytest.param({"cpu.max": "50000 100000\n"}, 0.5, id="version 2"),
        pytest.param({"cpu.max": "max 100000\n"}, None, id="version 2 without"),
        pytest.param({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5, id="version 1"),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None, id="version 1 without"
        ),
        pytest.param({"cpu.max": "half\n"}, None, id="damaged"),
        pytest.param({}, None, id="no container"),
    ],
)
def test_reads_the_quota_of_a_container(files: dict[str, str], quota: float | None, tmp_path: Path) -> None:
    """Both versions of Linux's control groups are read."""
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert fingerprint.read_cpu_quota(tmp_path) == quota


def test_a_quota_is_in_the_hardware_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a core is another machine; a quota of all the cores is none."""
    keys = []
    for quota in (None, 0.5, float(fingerprint.count_usable_cores())):
        monkeypatch.setattr(fingerprint, "read_cpu_quota", lambda quota=quota: quota)
        keys.append(make_key(fingerprint.collect_machine() | {"device": "cpu", "gpus": []}, HARDWARE_FIELDS))
    assert keys[0] == keys[2] != keys[1]


def test_settings_made_by_code_or_variable_are_in_the_numerics_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads, XLA's clusters and functions run eagerly count, whichever way they are set."""
    tf = load_tensorflow()
    plain = collect_environment(device="cpu", xla=False)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(plain.usable_cores + 1))
    threads = collect_environment(device="cpu", xla=False)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    monkeypatch.setattr(tf.config.optimizer, "get_jit", lambda: "autoclustering")
    clusters = collect_environment(device="cpu", xla=False)
    monkeypatch.undo()
    monkeypatch.setattr(tf.config, "functions_run_eagerly", lambda: True)
    eagerly = collect_environment(device="cpu", xla=False)
    assert clusters.flags == plain.flags | {"optimizer jit": "autoclustering"}
    assert len({it.numerics_key for it in (plain, threads, clusters, eagerly)}) == 4


@pytest.mark.parametrize(
    "name",
    [
        "tensorflow",
        "tensorflow_cpu",
        "tensorflow-intel",
        "tensorflow-macos",
        "tensorflow-rocm",
        "tensorflow-gpu",
        "tensorflow-cpu-aws",
        "tensorflow-aarch64",
        "tensorflow-directml",
        "intel-tensorflow",
        "tf-nightly",
        "tf_nightly_cpu",
    ],
)
def test_every_build_of_tensorflow_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platforms' and vendors' packages have names of their own."""
    found = SimpleNamespace(name=name, version="2.99.0")
    monkeypatch.setattr(metadata, "distributions", lambda: iter([found]))
    assert find_package_version("tensorflow") == "2.99.0"


def test_a_key_is_the_same_everywhere(record: TrainingRecord) -> None:
    """The keys of one environment are pinned: another meaning of a key orphans every stored baseline."""
    assert make_keys(vars(record.environment)) == {"numerics": "db3e573abd745bcc", "hardware": "8fa4633540bce915"}


def test_tensorflow_is_found_under_the_name_of_its_build() -> None:
    """Versions are found without an import; a package that is not installed has none."""
    assert find_package_version("tensorflow") == collect_environment(device="cpu", xla=False).tensorflow
    assert find_package_version("numpy") == np.__version__
    assert find_package_version("no-such-package") is None


@pytest.fixture
def _all_cores() -> Iterator[None]:
    """Let new processes use all the cores that the whole run may use, whatever share this test process has."""
    share = os.sched_getaffinity(0)
    cores = share | os.sched_getaffinity(os.getppid())
    if len(cores) == 1:
        pytest.skip("it takes two cores")
    os.sched_setaffinity(0, cores)
    yield
    os.sched_setaffinity(0, share)


@pytest.mark.slow
@pytest.mark.usefixtures("_all_cores")
def test_threads_are_in_the_numerics_key() -> None:
    """One core and two may end in different bits, so they have different keys; two single cores have one of each."""
    config = TrainingConfig(lab="perceptron", engine="epoch", epochs=1, data="digits", device="cpu")
    first, second = (event.record for event in train_all([config, config], jobs=2) if isinstance(event, Finished))
    assert first.environment.usable_cores == second.environment.usable_cores
    assert first.environment.numerics_key == second.environment.numerics_key
    assert first.final_digest == second.final_digest
    set_determinism(on=True)
    wide = collect_environment(device="cpu", xla=False)  # of this process, which has the cores of both
    assert set(explain_keys(wide, first.environment, NUMERICS_FIELDS)) == {"threads"}
    assert wide.numerics_key != first.environment.numerics_key
