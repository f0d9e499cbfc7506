"""Seeds that share random numbers are found: all of them, some bits of them, or a part of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mnist_bench.checks.layers import seeds
from mnist_bench.records.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

SHAPES = ((784, 128), (128, 128))


def draw(seed: int, *, shared: float = 0.0, alike: bool = False) -> list[npt.NDArray[np.float32]]:
    """Return two kernels of a seed, of which a share is every seed's, or the second a part of the first."""
    rng, common = np.random.RandomState(seed % 2**32), np.random.RandomState(0)
    kernels = [(1 - shared) * rng.uniform(-1, 1, shape) + shared * common.uniform(-1, 1, shape) for shape in SHAPES]
    if alike:
        kernels[1] = kernels[0].ravel()[: kernels[1].size].reshape(SHAPES[1])
    return [kernel.astype(np.float32) for kernel in kernels]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        pytest.param(draw, Verdict.PASS, id="sound"),
        pytest.param(lambda seed: draw(seed % 4), Verdict.REGRESSED, id="four seeds get through"),
        pytest.param(lambda seed: draw(seed % 2**29), Verdict.REGRESSED, id="upper bits lost"),
        pytest.param(lambda seed: draw(seed, shared=0.2), Verdict.REGRESSED, id="correlated"),
        pytest.param(lambda seed: draw(seed, alike=True), Verdict.REGRESSED, id="layers alike"),
        pytest.param(lambda seed: [np.zeros_like(kernel) for kernel in draw(seed)], Verdict.REGRESSED, id="all 0"),
    ],
)
def test_shared_random_numbers_are_found(
    change: Callable[[int], object], verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No two seeds may start alike, be correlated, or have two layers of one stream."""
    monkeypatch.setattr(seeds, "_draw_kernels", lambda _name, seed: change(seed))
    assert seeds.check_seeds("mlp").verdict is verdict


def test_the_labs_seeds_differ() -> None:
    """Keras's own initialiser passes, and the perceptron has no second layer."""
    result = seeds.check_seeds("perceptron")
    assert result.verdict is Verdict.PASS
    assert "of layers 0.0 sd" in result.figure
