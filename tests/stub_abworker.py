"""An interpreter that trains nothing: it answers as `mnist_bench.abworker` does, and its folder says with what.

`behaviour.json` there: `speed` is the seconds of an epoch, `jitter` the spread of their logarithm, `missing` what it
lacks; `dies_in` is a process, from 0, that is killed at its third epoch; `says` is a line that stands for its answers.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

FOLDER = Path(sys.argv[1])


def main() -> None:
    """Answer the question of `check_python`, or serve one task."""
    behaviour = json.loads((FOLDER / "behaviour.json").read_text())
    if sys.argv[2] == "-c":
        print(json.dumps(behaviour.get("missing", [])))  # noqa: T201 - that is the answer
        return
    number = len(list(FOLDER.glob("*.pid")))
    (FOLDER / f"{number}.pid").write_text(str(os.getpid()))
    (FOLDER / f"{number}.task").write_text(sys.stdin.readline())
    (FOLDER / f"{number}.arguments").write_text(" ".join(sys.argv[2:]))
    ready = {"event": "ready", "protocol": 2} | behaviour.get("ready", {})
    tell(
        ready
        | {"environment": json.loads((FOLDER / "environment.json").read_text()) | behaviour.get("environment", {})}
    )
    generator, steps = random.Random(f"{FOLDER.name}{number}"), []  # noqa: S311 - no secret
    for line in sys.stdin:
        steps.append(json.loads(line))
        (FOLDER / f"{number}.steps").write_text(json.dumps(steps))
        time.sleep(behaviour.get("sleeps", 0))
        if behaviour.get("dies_in") == number and len(steps) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if "says" in behaviour:
            print(behaviour["says"], flush=True)  # noqa: T201 - that is the answer
        wall, cpu = (behaviour["speed"] * 2.718281828 ** generator.gauss(0, behaviour["jitter"]) for _ in range(2))
        tell({"event": "epoch", "wall": wall, "cpu": cpu})


def tell(event: dict[str, object]) -> None:
    """Write an event."""
    print(json.dumps(event), flush=True)  # noqa: T201 - that is the protocol


if __name__ == "__main__":
    main()
