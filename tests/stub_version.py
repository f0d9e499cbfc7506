"""The interpreter of a version that has no TensorFlow, and a uv that installs nothing: what they answer stands here.

`python stub_version.py FOLDER ARGUMENT...` answers as an interpreter, with the record in the folder; a file
`breaks` there names the commands that fail; where there is a file `no-epoch`, nothing trains by that engine.
`python stub_version.py FOLDER uv ARGUMENT...` answers as uv.

A test starts it many times: it imports the package, which takes most of its time, only for an answer that needs it.
"""

from __future__ import annotations

import itertools
import json
import runpy
import shutil
import sys
from pathlib import Path

FOLDER, ARGUMENTS = Path(sys.argv[1]), sys.argv[2:]


def answer_uv(command: str, arguments: list[str]) -> None:
    """Make an environment of nothing but the interpreter."""
    with (FOLDER / "uv.log").open("a") as log:
        log.write(" ".join([command, *arguments]) + "\n")
    if command == "venv":
        target = Path(arguments[-1]) / "bin"
        if "--clear" in arguments:
            shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        shutil.copy(FOLDER / "python", target)


def answer_check(engine: str) -> None:
    """Print two checks, of which one is KNOWN and one is the same for every engine, and fail as `check` does."""
    checks = [
        {"name": "structure/layers[mlp]", "verdict": "PASS", "figure": "7", "bound": "7", "evidence": "long"},
        {"name": f"contract/new-order[{engine}]", "verdict": "KNOWN", "figure": "0.99", "bound": "≤ 0.5"},
    ]
    print(json.dumps({"verdict": "KNOWN", "exit_status": 1, "checks": checks}))  # noqa: T201 - that is its answer
    sys.exit(1)


def answer_probe(lab: str, options: dict[str, str]) -> None:
    """Write a probe of one stage."""
    import msgspec

    from mnist_bench import records
    from mnist_bench.proberecords import ProbeRecord, Stage

    record = records.load_record(FOLDER / "record.json")
    config = msgspec.structs.replace(record.config, lab=lab, engine=options["--engine"], epochs=5)
    stages = [Stage(name="forward", digest=lab * 9, values=[0.5])]
    probe = ProbeRecord(config=config, environment=record.environment, dataset=record.dataset, stages=stages)
    out = Path(options["--out"])
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{lab}-{config.engine}.json").write_text(records.dump_json(probe))


def answer_env() -> None:
    """Print the environment of the record in the folder."""
    record = json.loads((FOLDER / "record.json").read_text())
    print(json.dumps(record["environment"]))  # noqa: T201 - that is its answer


def main() -> None:
    """Answer one command."""
    breaks = FOLDER / "breaks"
    words = set(breaks.read_text().split()) if breaks.exists() else set()
    if words & set(ARGUMENTS) or ((FOLDER / "no-epoch").exists() and "epoch" in ARGUMENTS):
        sys.exit(f"one line\n{Path.home()}/a: no such thing")
    command, *rest = ARGUMENTS
    options = dict(itertools.pairwise(rest))
    if command == "uv":
        answer_uv(rest[0], rest[1:])
    elif command == "-c":
        print(json.dumps([str(FOLDER), {"numpy": "2.4.6"}]) if "metadata" in rest[0] else 1.5)  # noqa: T201
    elif rest[0] == "mnist_bench.workers":
        sys.argv = ["stub_worker.py", str(FOLDER), *rest[1:]]
        runpy.run_path(str(Path(__file__).with_name("stub_worker.py")), run_name="__main__")
    elif rest[1] == "env":
        answer_env()
    elif rest[1] == "check":
        answer_check(options["--engine"])
    else:
        answer_probe(rest[2], options)


if __name__ == "__main__":
    main()
