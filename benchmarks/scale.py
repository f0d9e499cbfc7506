"""What bounds a campaign of many seeds apart from its trainings: the scheduler, and the files of its records.

    python benchmarks/scale.py                    # empty tasks, by Dask, and by Ray where it is installed
    python benchmarks/scale.py --records 10000    # records written, read, listed and shown

Each figure is of one process on this machine: seconds that passed, and seconds of its processor time, which other work
on the machine moves less. With Dask this is the process of scheduler and client; Ray's scheduler has its own
processes, and the figure is the client's. docs/scale.md has the figures, and what follows.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.util
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.records.training import TrainingRecord


def main() -> None:
    """Measure what is asked for, and print a line for each figure."""
    options = _parse()
    if options.records:
        _time_records(_make_record(), options.records)
        return
    for name, measure in (("distributed", _time_dask), ("ray", _time_ray)):
        if importlib.util.find_spec(name) is None:
            print(f"{name}: not installed")
        else:
            measure(options.tasks, options.workers)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000, help="empty tasks [10000]")
    parser.add_argument("--workers", type=int, default=2, help="worker processes [2]")
    parser.add_argument("--records", type=int, default=0, help="measure the files of so many records instead")
    return parser.parse_args()


@contextlib.contextmanager
def _time(what: str, count: int) -> Iterator[None]:
    """Print how long something took, as seconds and as processor time."""
    begin, cpu_begin = time.perf_counter(), time.process_time()
    yield
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
    print(
        f"{what}: {seconds:.2f} s, {count / seconds:,.0f} a second; "
        f"processor {cpu_seconds:.2f} s, {1000 * cpu_seconds / count:.2f} ms each",
        flush=True,
    )


def _nothing(number: int) -> int:
    return number


def _time_dask(tasks: int, workers: int) -> None:
    import distributed

    with (
        distributed.LocalCluster(workers, threads_per_worker=1, dashboard_address=None) as site,
        distributed.Client(site) as client,
    ):
        client.gather(client.map(_nothing, range(workers), pure=False))
        with _time(f"Dask {distributed.__version__}: {tasks:,} empty tasks", tasks):
            futures = client.map(_nothing, range(tasks), pure=False)
            for _ in distributed.as_completed(futures, with_results=True):
                pass


def _time_ray(tasks: int, workers: int) -> None:
    import ray

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    remote: Any = ray.remote(_nothing)
    ray.get([remote.remote(number) for number in range(workers)])
    with _time(f"Ray {ray.__version__}: {tasks:,} empty tasks", tasks):
        waiting = [remote.remote(number) for number in range(tasks)]
        while waiting:
            done, waiting = ray.wait(waiting, num_returns=min(100, len(waiting)))
            ray.get(done)
    ray.shutdown()


def _make_record() -> TrainingRecord:
    """Return a record as a training of the mlp leaves it, trained for as many epochs as the lab's."""
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.training import History
    from mnist_bench.training.runner import train

    record = train(TrainingConfig(lab="mlp", engine="fused", epochs=1, data="digits", device="cpu"))
    history = {name: column * 20 for name, column in vars(record.history).items()}
    config = dataclasses.replace(record.config, epochs=20)
    return dataclasses.replace(record, config=config, history=History(**history))


def _time_records(record: TrainingRecord, count: int) -> None:
    import numpy as np

    from mnist_bench.records.environment import DatasetRecord
    from mnist_bench.records.serial import load_record, save
    from mnist_bench.show.console import make_run_table, print_table
    from mnist_bench.show.page import write_run_page
    from mnist_bench.training.campaign import plan_campaign, record_name
    from mnist_bench.training.data.dataset import load_dataset

    dataset = load_dataset("digits")
    same = DatasetRecord(source=dataset.name, digest=dataset.digest)
    configs = [dataclasses.replace(record.config, seed=seed) for seed in range(count)]
    records = [dataclasses.replace(record, config=config, dataset=same) for config in configs]

    def time_it(what: str, work: Callable[[], object]) -> None:
        with _time(f"{count:,} records: {what}", count):
            work()

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        time_it("written", lambda: [save(it, folder / record_name(it.config)) for it in records])
        time_it("read", lambda: [load_record(folder / record_name(it.config)) for it in records])
        plan = {"jobs": 1, "resume": lambda: record.environment}
        time_it("planned with --resume", lambda: plan_campaign(configs, folder, dataset, **plan))
        image = np.zeros((28, 28), np.uint8)
        time_it("page and plots", lambda: write_run_page(records, folder, image=image, label=0))
        size = sum((folder / name).stat().st_size for name in ("index.html", "mlp-accuracy.svg", "mlp-loss.svg"))
        print(f"page and plots: {size / 1e6:.1f} MB; a record: {len(next(folder.glob('*.json')).read_bytes()):,} bytes")
        time_it("table", lambda: print_table(make_run_table(records)))


if __name__ == "__main__":
    main()
