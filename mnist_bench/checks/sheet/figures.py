"""The lab sheet: the sections in their order, and every figure that the sheet prints. Data only.

The sheet's run is from early 2025; its seed does not reach Keras.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "EPOCH_LINES",
    "HISTORY_KEYS",
    "LAYERS",
    "ONE_HOT",
    "READY",
    "SAMPLE",
    "SECTIONS",
    "SHAPES",
    "EpochLine",
    "Section",
    "check_sections",
]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of the sheet.

    Attributes:
        number: The number in the sheet.
        title: The subject.
        lab: The model, a key of `LABS`; None for the data.
        engine: How the sheet trains the model, a key of `ENGINES`: `run_eagerly=True` is `eager`.
        shows: What the section prints, in the sheet's order: `data`, `layers`, `epochs`, `test`, `history`.
    """

    number: int
    title: str
    lab: str | None
    engine: str
    shows: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EpochLine:
    """The figures of an epoch as Keras prints them: `loss` and `accuracy` belong to training."""

    accuracy: float
    loss: float
    val_accuracy: float
    val_loss: float


SECTIONS = {
    section.number: section
    for section in (
        Section(number=1, title="The MNIST data", lab=None, engine="", shows=("data",)),
        Section(
            number=2,
            title="The simple perceptron",
            lab="perceptron",
            engine="graph",
            shows=("layers", "epochs", "test"),
        ),
        Section(
            number=3,
            title="The multi-layer perceptron",
            lab="mlp",
            engine="eager",
            shows=("layers", "epochs", "test", "history"),
        ),
        Section(number=4, title="Dropout: the network", lab="dropout", engine="eager", shows=("layers",)),
        Section(number=5, title="Dropout: its training", lab="dropout", engine="eager", shows=("epochs",)),
        Section(number=6, title="Dropout: its results", lab="dropout", engine="eager", shows=("test", "history")),
    )
}

SHAPES = {
    "Training data input shape": "(60000, 28, 28)",
    "Training data output shape": "(60000,)",
    "Test data input shape": "(10000, 28, 28)",
    "Test data output shape": "(10000,)",
}

READY = "(60000, 784) and (10000, 784), float32 from 0 to 1"
"""The inputs, as the sheet's text describes them, when it prints that they are ready."""

SAMPLE = 2
"""The training image that the sheet shows."""

ONE_HOT = "[0. 0. 0. 0. 1. 0. 0. 0. 0. 0.]"
"""The label of that image."""

HISTORY_KEYS = ("accuracy", "loss", "val_accuracy", "val_loss")
"""The figures of an epoch, in the order in which Keras 3 keeps and prints them."""

_HIDDEN = (("Dense", 128, 100_480), ("Activation", 128, 0), ("Dense", 128, 16_512), ("Activation", 128, 0))
_OUTPUT = (("Dense", 10, 1_290), ("Activation", 10, 0))

LAYERS = {
    "perceptron": (("Dense", 10, 7_850), ("Activation", 10, 0)),
    "mlp": _HIDDEN + _OUTPUT,
    "dropout": (*_HIDDEN[:2], ("Dropout", 128, 0), *_HIDDEN[2:], ("Dropout", 128, 0), *_OUTPUT),
}
"""Each row of the model summaries: the layer's kind, its outputs, its parameters."""


def _make_lines(*rows: tuple[int, float, float, float, float]) -> dict[int, EpochLine]:
    return {
        number: EpochLine(accuracy=accuracy, loss=loss, val_accuracy=val_accuracy, val_loss=val_loss)
        for number, accuracy, loss, val_accuracy, val_loss in rows
    }


EPOCH_LINES = {
    "perceptron": _make_lines(
        (1, 0.7631, 0.9328, 0.8954, 0.3969),
        (2, 0.8880, 0.4115, 0.9059, 0.3481),
        (3, 0.9015, 0.3570, 0.9096, 0.3279),
        (4, 0.9026, 0.3494, 0.9127, 0.3157),
        (5, 0.9083, 0.3304, 0.9149, 0.3084),
        (6, 0.9112, 0.3183, 0.9150, 0.3005),
        (7, 0.9124, 0.3143, 0.9178, 0.2967),
        (200, 0.9339, 0.2388, 0.9284, 0.2674),
    ),
    "mlp": _make_lines(
        (1, 0.7702, 0.8302, 0.9183, 0.2760),
        (18, 0.9937, 0.0253, 0.9728, 0.0898),
        (19, 0.9943, 0.0239, 0.9747, 0.0883),
        (20, 0.9951, 0.0215, 0.9749, 0.0910),
    ),
    "dropout": _make_lines(
        (1, 0.6558, 1.0794, 0.9244, 0.2628),
        (2, 0.8909, 0.3697, 0.9434, 0.2006),
        (3, 0.9153, 0.2858, 0.9528, 0.1659),
        (4, 0.9264, 0.2466, 0.9565, 0.1461),
        (5, 0.9357, 0.2186, 0.9609, 0.1340),
        (6, 0.9406, 0.1942, 0.9650, 0.1234),
        (7, 0.9486, 0.1768, 0.9661, 0.1164),
        (8, 0.9490, 0.1713, 0.9684, 0.1107),
        (9, 0.9512, 0.1625, 0.9682, 0.1085),
        (10, 0.9562, 0.1493, 0.9703, 0.1022),
        (11, 0.9597, 0.1356, 0.9710, 0.0980),
        (12, 0.9601, 0.1296, 0.9725, 0.0964),
        (13, 0.9626, 0.1246, 0.9729, 0.0926),
        (14, 0.9639, 0.1178, 0.9737, 0.0903),
        (15, 0.9662, 0.1122, 0.9742, 0.0906),
        (16, 0.9663, 0.1124, 0.9743, 0.0888),
        (17, 0.9709, 0.1004, 0.9741, 0.0869),
        (18, 0.9678, 0.1012, 0.9749, 0.0860),
        (19, 0.9693, 0.0999, 0.9749, 0.0854),
        (20, 0.9694, 0.0994, 0.9762, 0.0840),
    ),
}
"""The lines of `fit` by epoch; the sheet leaves out the epochs that are missing here.

The training figures are those of Keras's progress bar of that time, which showed the mean of the running means
(keras-team/keras, issue 20212): in a first epoch the accuracy lies far below that of the history.
"""


def check_sections(numbers: list[int]) -> list[Section]:
    """Return the sections of these numbers in the sheet's order; all of them for none.

    Raises:
        ValueError: There is no section of that number.
    """
    for number in numbers:
        if number not in SECTIONS:
            raise ValueError(f"section {number!r}: the sheet has {min(SECTIONS)} to {max(SECTIONS)}")
    return [section for number, section in SECTIONS.items() if not numbers or number in numbers]
