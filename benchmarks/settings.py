"""What op determinism and TensorFloat-32 cost or save on this device: epochs in fresh processes, in turn.

python benchmarks/settings.py --device gpu --lab mlp --engine fused --rounds 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

SETTINGS = {
    "as the lab's": {"deterministic": True, "tf32": True},
    "without op determinism": {"deterministic": False, "tf32": True},
    "without TensorFloat-32": {"deterministic": True, "tf32": False},
}
EPOCHS = 5


def main() -> None:
    """Print the table, in Markdown; with `--child` time one setting, and print the seconds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cpu", "gpu"), default="gpu")
    parser.add_argument("--lab", default="mlp")
    parser.add_argument("--engine", action="append", help="fused if not given; may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="processes for each setting")
    parser.add_argument("--data", default="auto", help="as for mnist-bench")
    parser.add_argument("--child", choices=SETTINGS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    engines = options.engine or ["fused"]
    if options.child:
        print(json.dumps(time_epochs(options.lab, engines[0], options.device, options.data, **SETTINGS[options.child])))
        return
    print(
        "| engine | setting | processes | median epoch, s | fastest, s |", "| --- | --- | --- | --- | --- |", sep="\n"
    )
    for engine in engines:
        seconds: dict[str, list[float]] = {name: [] for name in SETTINGS}
        for _ in range(options.rounds):
            for name in SETTINGS:
                seconds[name] += ask_child(name, engine, options)
        for name, taken in seconds.items():
            cells = [engine, name, str(options.rounds), f"{statistics.median(taken):.4f}", f"{min(taken):.4f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


def ask_child(name: str, engine: str, options: argparse.Namespace) -> list[float]:
    """Return the seconds of the epochs that a fresh process trained under a setting."""
    command = [sys.executable, __file__, "--child", name, "--engine", engine, "--device", options.device]
    command += ["--lab", options.lab, "--data", options.data]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this script
    seconds: list[float] = json.loads(answer.stdout.splitlines()[-1])
    return seconds


def time_epochs(lab: str, engine: str, device: str, data: str, *, deterministic: bool, tf32: bool) -> list[float]:
    """Return the seconds of epochs after a first one that compiles."""
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.timing.clock import RoundClock
    from mnist_bench.timing.trial import Trial, on_device, prepare_process
    from mnist_bench.training.backend import load_tensorflow
    from mnist_bench.training.data.dataset import load_dataset, prepare

    tf: Any = load_tensorflow()
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    clock = RoundClock()
    config = TrainingConfig(lab=lab, engine=engine, device=device, deterministic=deterministic)
    with on_device(device):
        prepare_process(config)
        trial = Trial(config, prepare(load_dataset(data)), clock)
        for _ in range(1 + EPOCHS):
            trial.train_epoch()
    return [times.wall for times in clock.times[1:]]


if __name__ == "__main__":
    main()
