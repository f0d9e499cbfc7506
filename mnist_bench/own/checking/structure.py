"""What a user's own model must be before training: built alike each time, and anew by each seed."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.own.file import load_model
from mnist_bench.own.layers import describe_rows, list_rows
from mnist_bench.own.model import make_model
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.environment import digest_arrays
from mnist_bench.records.verdicts import CheckResult, Verdict

if TYPE_CHECKING:
    from mnist_bench.own.records import ModelFile

__all__ = ["check_build", "check_data", "check_seeds"]

_SEEDS = 8


def check_build(model: ModelFile, name: str) -> CheckResult:
    """Check that the model is built alike each time: the same layers, the same shapes."""
    loaded = load_model(model)
    first, second = (describe_rows(list_rows(make_model(loaded, seed))) for seed in (FIRST_SEED, FIRST_SEED + 1))
    parameters = sum(row.parameters for row in first)
    different = next((a.name for a, b in zip(first, second, strict=False) if a != b), "")
    holds = first == second and bool(first)
    told = "" if holds else f"; built again, {different or 'the number of layers'} is another"
    trainable = sum(row.trainable for row in first)
    return CheckResult(
        name=name,
        # Another model under another seed may be what the file asks for.
        verdict=Verdict.PASS if holds else Verdict.INCONCLUSIVE,
        figure=f"{parameters:,} parameters, {trainable:,} trainable, {len(first)} layers{told}",
        bound="the same each time",
        evidence="layers: " + ", ".join(f"{row.name} {row.shape}".strip() for row in first),
    )


def check_data(model: ModelFile, name: str) -> CheckResult:
    """Say what the data is: what cannot be used was refused before."""
    loaded = load_model(model)
    data, arguments = loaded.data, loaded.fit_arguments()
    told = ", ".join(f"{key} {value}" for key, value in arguments.items() if isinstance(value, (int, float)))
    return CheckResult(
        name=name,
        verdict=Verdict.PASS,
        figure=f"{data.samples:,} samples, digest {data.digest[:8]}",
        bound="arrays of equal length, finite, the same at two calls",
        evidence=f"fit: {told}",
    )


def check_seeds(model: ModelFile, name: str) -> CheckResult:
    """Check that no two seeds begin with the same weights, and that a seed does so with the same."""
    loaded = load_model(model)
    seeds = [*range(FIRST_SEED, FIRST_SEED + _SEEDS), FIRST_SEED]
    digests = [digest_arrays(map(np.asarray, make_model(loaded, seed).get_weights())) for seed in seeds]
    alike = [pair for pair in itertools.combinations(range(_SEEDS), 2) if digests[pair[0]] == digests[pair[1]]]
    again = digests[0] == digests[-1]
    told = f"the seeds {seeds[alike[0][0]]} and {seeds[alike[0][1]]} are alike" if alike else "no two seeds alike"
    verdict = Verdict.PASS if again and not alike else Verdict.REGRESSED
    own = _names_seed(model)
    if verdict is Verdict.REGRESSED and own:
        verdict = Verdict.INCONCLUSIVE
    return CheckResult(
        name=name,
        verdict=verdict,
        figure=f"{told}; the first one again: {'the same' if again else 'other weights'}",
        bound=f"none of {_SEEDS} alike, the same",
        evidence=f"the file sets weights or a seed itself: it has the word {own!r}" if own else "",
    )


def _names_seed(model: ModelFile) -> str:
    """Return the word by which a file may set seeds or weights itself; "" if it has none."""
    text = Path(model.path).read_text(encoding="utf-8")
    return next((word for word in ("seed", "weights") if word in text), "")
