"""What to train, and how: the frozen configuration of a training. A leaf but for its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["FIRST_SEED", "MOST", "Case", "TrainingConfig", "check_answer"]

FIRST_SEED = 1671  # the lab's own; further seeds are 1672, 1673, ...

MOST = 1_000_000
"""The most epochs, samples in a batch, and units in a layer: more is a slip, and ends in an error of TensorFlow's."""


class Case(NamedTuple):
    """A lab and the engine that trains it. As text, in names of checks and files: `mlp-epoch`."""

    lab: str
    engine: str

    def __str__(self) -> str:
        """Return the lab and the engine with a hyphen between them."""
        return f"{self.lab}-{self.engine}"


def check_answer(asked: TrainingConfig, answered: TrainingConfig, what: str = "") -> None:
    """Refuse the answer to another question: a training or probe of another configuration than was asked for.

    Args:
        asked: What was asked for.
        answered: What the answer is of.
        what: The beginning of the message; the training itself if not given.

    Raises:
        ValueError: A field differs; the message names it with both values. Epochs that were left open may be any.
    """
    for name, wanted in vars(asked).items():
        value = getattr(answered, name)
        if value != wanted and not (name == "epochs" and wanted is None):
            begin = what or f"{asked.case}, seed {asked.seed}"
            raise ValueError(f"{begin}: the answer is of {name} {value!r}, not {wanted!r}")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What to train, and how. The defaults are the lab's own values (lab sheet, sections 1 to 4).

    Attributes:
        lab: A key of `mnist_bench.LABS`.
        engine: A key of `mnist_bench.training.engines.ENGINES`.
        seed: Seeds Python, NumPy and TensorFlow, and with them weights, data order and dropout.
        epochs: Epochs to train; None means the lab's own number.
        batch_size: Samples in one step of gradient descent.
        learning_rate: Of the optimizer.
        validation_split: The share of the training images, taken from their END, that is not trained on.
        data: `auto`, `mnist`, `digits`, or a path.
        device: `auto` (a GPU where TensorFlow sees one), `cpu` or `gpu`.
        deterministic: Whether op determinism is turned on, where the engine allows it; `xla` does not.
        hidden: Widths of the hidden layers; None means the lab's own.
        dropout: Share of each hidden layer's outputs dropped in training; None means the lab's own.
        optimizer: A key of `mnist_bench.training.optimizers.OPTIMIZERS`, with Keras's constants; the lab's is `sgd`.
    """

    lab: str
    engine: str = "epoch"
    seed: int = FIRST_SEED
    epochs: int | None = None
    batch_size: int = 128
    learning_rate: float = 0.1
    validation_split: float = 0.2
    data: str = "auto"
    device: str = "auto"
    deterministic: bool = True
    hidden: tuple[int, ...] | None = None
    dropout: float | None = None
    optimizer: str = "sgd"

    @property
    def case(self) -> Case:
        """The lab and the engine."""
        return Case(self.lab, self.engine)

    @property
    def model(self) -> str:
        """The lab's name and, where model or optimizer are not the lab's, what they are instead."""
        parts = [self.lab]
        if self.hidden is not None:
            parts.append(f"hidden {'x'.join(map(str, self.hidden)) or 'none'}")
        if self.dropout is not None:
            parts.append(f"dropout {self.dropout:g}")
        if self.optimizer != "sgd":
            parts.append(self.optimizer)
        return ", ".join(parts)
