"""What the lab sheet claims, measured over seeds, as the rows of docs/lab.md.

    python benchmarks/claims.py --out claims      # goes on where it was interrupted

Takes about two minutes a seed on two quiet cores, most of it for the 250 epochs
with dropout, and one minute more for the eager epochs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from claimrows import LAB_EPOCHS, make_rows
from learning import Bar, Way, keep, measure_bar, measure_way

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training.campaign import plan_campaign, record_name, run_campaign
from mnist_bench.training.data.dataset import load_dataset
from mnist_bench.training.labs import LABS
from mnist_bench.training.workers.events import Failed, Finished

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset

_FIRST_SEED = 1  # none of the baselines' 10,001 and up
_LONG = 250  # the epochs of the homework
_EAGER_EPOCHS = 2  # the first has the tracing in it


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the records: what is there is done")
    parser.add_argument("--seeds", type=int, default=5, metavar="K", help="seeds of each training (default: 5)")
    parser.add_argument("--data", default="auto", metavar="SOURCE", help="as of mnist-bench (default: auto)")
    parser.add_argument("--long", type=int, default=_LONG, metavar="N", help="epochs with dropout (default: 250)")
    options = parser.parse_args()
    if options.seeds < 2 or options.long < LAB_EPOCHS:
        parser.error(f"expected --seeds of 2 or more and --long of {LAB_EPOCHS} or more")
    dataset = load_dataset(options.data)
    epochs = {lab.name: lab.epochs for lab in LABS.values()} | {"dropout": options.long}
    seeds = range(_FIRST_SEED, _FIRST_SEED + options.seeds)
    ways = {lab: [_find_way(options.out, lab, seed, dataset, epochs[lab]) for seed in seeds] for lab in LABS}
    bars = {lab: [_find_bar(options.out, lab, seed, dataset) for seed in seeds] for lab in LABS}
    records = _train_both(options.out / "eager", dataset, options.data)
    print(f"Data: {dataset.label}. {options.seeds} seeds, by the fused engine where no other is named.\n")
    print("| the claim | measured | so |\n| --- | --- | --- |")
    for row in make_rows(ways, bars, records, mnist=not dataset.is_standin):
        print(f"| {' | '.join(row)} |")


def _find_way(folder: Path, lab: str, seed: int, dataset: Dataset, epochs: int) -> Way:
    def measure() -> Way:
        _tell(f"{lab}, seed {seed}: {epochs} epochs")
        return measure_way(lab, seed, dataset, epochs=epochs, looks=(1, LAB_EPOCHS, epochs))

    return keep(folder / f"way-{lab}-{epochs}-seed{seed}.json", Way, dataset, measure)


def _find_bar(folder: Path, lab: str, seed: int, dataset: Dataset) -> Bar:
    return keep(folder / f"bar-{lab}-seed{seed}.json", Bar, dataset, lambda: measure_bar(lab, seed, dataset))


def _train_both(folder: Path, dataset: Dataset, source: str) -> dict[tuple[str, str], TrainingRecord]:
    """Train each lab a few epochs by `fit`, eagerly and not."""
    configs = [
        TrainingConfig(lab=lab, engine=engine, seed=_FIRST_SEED, epochs=_EAGER_EPOCHS, data=source)
        for lab in LABS
        for engine in ("eager", "graph")
    ]
    campaign = plan_campaign(configs, folder, dataset, resume=True)
    done = dict(campaign.done)
    for event in run_campaign(campaign):
        if isinstance(event, Failed):
            sys.exit(event.reason)
        if isinstance(event, Finished):
            _tell(f"{event.record.config.lab} by {event.record.config.engine}")
            done[record_name(event.record.config)] = event.record
    return {(record.config.lab, record.config.engine): record for record in done.values()}


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
