"""A worker process that trains nothing; what it does instead hangs on the seed.

1 waits for the file `go`, 2 dies by SIGKILL after an epoch, 3 raises, 4 prints what is no event, 5 never ends,
6 sends no record where one belongs; all others just finish. Where there is a file `no-epoch`,
that engine raises, too. Each leaves its process id in a file called after
its training.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec

from mnist_bench import data, records, runner, workers

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(sys.argv[1])


def train(
    config: records.TrainingConfig, *, dataset: Any, on_epoch: Callable[[int, Any], None]
) -> records.TrainingRecord:
    """Return the record in the folder with this configuration, after one epoch of the seed's behaviour."""
    del dataset
    (FOLDER / f"{config.lab}-{config.seed}.pid").write_text(str(os.getpid()))
    record = records.load_record(FOLDER / "record.json")
    columns = {name: getattr(record.history, name)[:1] for name in record.history.__struct_fields__}
    figures = {name: column[0] for name, column in columns.items()}
    on_epoch(0, SimpleNamespace(**figures | {"loss": float("nan")}))
    behave(config.seed, config.engine)
    history = records.History(**{name: column * (config.epochs or 1) for name, column in columns.items()})
    return msgspec.structs.replace(record, config=config, history=history)


def behave(seed: int, engine: str) -> None:
    """Do what the seed stands for."""
    while seed == 1 and not (FOLDER / "go").exists():
        time.sleep(0.01)
    if seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if seed == 3 or (engine == "epoch" and (FOLDER / "no-epoch").exists()):
        raise RuntimeError("out of\nluck")
    if seed == 4:
        print('{"event": "nonsense"}', flush=True)  # noqa: T201 - as a library might
        os.write(1, b"\xff no JSON at all\n")
    while seed == 5:
        time.sleep(0.01)


def encode(record: records.TrainingRecord) -> str:
    """Return the record as JSON, but for seed 6."""
    return "{}" if record.config.seed == 6 else records.encode_record(record)


if __name__ == "__main__":
    data.load_dataset = lambda _source: SimpleNamespace(name="digits")
    runner.train, workers.encode_record = train, encode
    workers.main()
