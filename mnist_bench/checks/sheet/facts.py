"""What the lab prints, one fact at a time: our value, the sheet's, and how the two compare. Sees records only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

from mnist_bench.checks.sheet.figures import EPOCH_LINES, HISTORY_KEYS, LAYERS, ONE_HOT, READY, SHAPES
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from mnist_bench.checks.baselines import Reference
    from mnist_bench.checks.sheet.figures import Section
    from mnist_bench.records.training import LayerRecord, TrainingRecord

__all__ = [
    "MNIST_ONLY",
    "Fact",
    "draw_text",
    "format_fact",
    "state_epoch",
    "state_history",
    "state_layers",
    "state_one_hot",
    "state_ready",
    "state_sample",
    "state_shapes",
    "state_test",
]

MNIST_ONLY = "the sheet's value is of MNIST: not compared"

_RAMP = " .:-=+*#%@"  # from no ink to full ink
_LEVELS = 256
_BYTES = 4  # of a float32 parameter


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that the lab prints.

    Attributes:
        section: The section of the sheet.
        name: What is printed.
        ours: The value here.
        sheet: The sheet's value; None if the sheet has no value, or none to compare with.
        exact: Whether the sheet's value is the only right one.
        within: Whether our value lies within the spread of the reference's seeds; None for other facts, or without a
            reference.
        note: How the two compare, if that needs words.
        form: `figure`, one line; `epoch`, the line of an epoch; `block`, several lines.
    """

    section: int
    name: str
    ours: str
    sheet: str | None = None
    exact: bool = False
    within: bool | None = None
    note: str = ""
    form: Literal["figure", "epoch", "block"] = "figure"

    @property
    def differs(self) -> bool:
        """Whether our value differs from the only right one."""
        return self.exact and self.ours != self.sheet


def state_shapes(section: Section, shapes: Sequence[tuple[int, ...]]) -> Iterator[Fact]:
    """State the shapes of the four arrays, in the sheet's order."""
    for (name, printed), shape in zip(SHAPES.items(), shapes, strict=True):
        yield Fact(section=section.number, name=name, ours=str(shape), sheet=printed, exact=True)


def state_sample(section: Section, image: npt.NDArray[np.uint8], *, mnist: bool) -> Iterator[Fact]:
    """State the sample image, (28, 28), as numbers and as a picture."""
    note = "" if mnist else MNIST_ONLY
    for name, text in (("Sample input image", _format_array(image)), ("The same as a picture", draw_text(image))):
        yield Fact(section=section.number, name=name, ours=text, note=note, form="block")


def state_ready(section: Section, x_fit: npt.NDArray[np.float32], x_test: npt.NDArray[np.float32]) -> Fact:
    """State what the prepared inputs, (n, 784) and (m, 784), are."""
    low, high = min(x_fit.min(), x_test.min()), max(x_fit.max(), x_test.max())
    ours = f"{x_fit.shape} and {x_test.shape}, {x_fit.dtype} from {low:g} to {high:g}"
    return Fact(section=section.number, name="Input data ready", ours=ours, sheet=READY, exact=True)


def state_one_hot(section: Section, one_hot: npt.NDArray[np.float32], *, mnist: bool) -> Fact:
    """State the label of the sample image as a one-hot vector, (10,)."""
    return Fact(
        section=section.number,
        name="One-hot vector",
        ours=_format_array(one_hot),
        sheet=ONE_HOT if mnist else None,
        exact=mnist,
        note="" if mnist else MNIST_ONLY,
    )


def format_fact(fact: Fact) -> str:
    """Return a fact for a terminal: one line, and more lines for a block, an epoch of the sheet or a note."""
    if fact.form == "block":
        return f"{fact.name}:{f'  ({fact.note})' if fact.note else ''}\n{fact.ours}"
    if fact.form == "epoch":
        line = f"{fact.name} {fact.ours}"
        return f"{line}\n{'the sheet':>{len(fact.name)}} {fact.sheet}" if fact.sheet else line
    line = f"{fact.name}: {fact.ours}"
    if fact.sheet is not None:
        line += "  (as the sheet)" if fact.sheet == fact.ours else f"  (the sheet: {fact.sheet})"
    return line + ("  DIFFERS" if fact.differs else "") + (f"\n    {fact.note}" if fact.note else "")


def draw_text(image: npt.NDArray[np.uint8]) -> str:
    """Draw an image, (rows, columns) from 0 to 255, in characters: two for each pixel, darker for more ink."""
    levels = image.astype(int) * len(_RAMP) // _LEVELS
    return "\n".join("".join(2 * _RAMP[level] for level in row).rstrip() for row in levels)


def state_layers(section: Section, layers: Sequence[LayerRecord]) -> Iterator[Fact]:
    """State a model's summary: a row for each layer, then the totals."""
    lab = section.lab or ""
    rows = [_format_layer(layer.kind, layer.units, layer.parameters) for layer in layers]
    printed = [_format_layer(*row) for row in LAYERS[lab]]
    pairs = enumerate(zip_longest(rows, printed, fillvalue="none"), start=1)
    facts = [(f"Layer {number}", ours, sheet) for number, (ours, sheet) in pairs]
    total, trainable = (sum(getattr(layer, name) for layer in layers) for name in ("parameters", "trainable"))
    for name, count, sheet_count in (
        ("Total params", total, LABS[lab].parameters),
        ("Trainable params", trainable, LABS[lab].parameters),
        ("Non-trainable params", total - trainable, 0),
    ):
        facts.append((name, _format_count(count), _format_count(sheet_count)))
    for name, ours, sheet in facts:
        yield Fact(section=section.number, name=name, ours=ours, sheet=sheet, exact=True)


def state_epoch(section: Section, epoch: int, epochs: int, figures: Mapping[str, float | None], *, mnist: bool) -> Fact:
    """State the line of an epoch.

    Args:
        section: The section that trains.
        epoch: The number of the epoch, from 0.
        epochs: Epochs of the training.
        figures: `loss`, `accuracy`, `val_loss` and `val_accuracy`.
        mnist: Whether the data is MNIST.
    """
    printed = EPOCH_LINES[section.lab or ""].get(epoch + 1) if mnist else None
    return Fact(
        section=section.number,
        name=f"epoch {epoch + 1:{len(str(epochs))}}/{epochs}",
        ours=_format_line(figures),
        sheet=_format_line(vars(printed)) if printed else None,
        form="epoch",
    )


def state_test(section: Section, record: TrainingRecord, reference: Reference | None) -> Iterator[Fact]:
    """State the loss and the accuracy on the test set, next to the sheet's and compared with the reference's seeds.

    Args:
        section: The section that evaluates.
        record: The training.
        reference: The seeds to compare with, trained for the same number of epochs, or None.
    """
    lab, mnist = LABS[record.config.lab], record.dataset.source == "mnist"
    for name, ours, printed, seeds in (
        ("Test score/loss", record.test_loss, lab.sheet_loss, reference and reference.test_loss),
        ("Test accuracy", record.test_accuracy, lab.sheet_accuracy, reference and reference.test_accuracy),
    ):
        within, note = _judge_spread(ours, seeds or [], reference.engine if reference else "")
        yield Fact(
            section=section.number,
            name=name,
            ours=_format_figure(ours),
            sheet=_format_figure(printed) if mnist else None,
            within=within,
            note=note if mnist else f"{note}; {MNIST_ONLY}",
        )


def state_history(section: Section, record: TrainingRecord) -> Fact:
    """State the names of the history's columns."""
    ours = sorted(name for name in record.history.__dataclass_fields__ if not name.endswith("seconds"))
    printed = ", ".join(HISTORY_KEYS)
    return Fact(section=section.number, name="History keys", ours=", ".join(ours), sheet=printed, exact=True)


def _judge_spread(figure: float | None, seeds: Sequence[float], engine: str) -> tuple[bool | None, str]:
    """Return whether a figure lies between the lowest and the highest seed, and say so.

    A new seed is the lowest or the highest of n + 1 exchangeable seeds with a probability of 2 in n + 1: so often a
    sound training falls outside.
    """
    if not seeds:
        return None, "no reference with this number of epochs on this data set to compare with"
    low, high = min(seeds), max(seeds)
    within = figure is not None and low <= figure <= high
    note = f"the {len(seeds)} seeds of {engine}: {_format_figure(low)} to {_format_figure(high)}"
    return within, f"within {note}" if within else f"OUTSIDE {note}; by chance 2 of {len(seeds) + 1} are"


def _format_array(array: npt.NDArray[Any]) -> str:
    """Return what `print` shows with NumPy's default settings, as in the sheet, whatever this process has set."""
    import numpy as np

    return np.array2string(array, max_line_width=75, threshold=array.size)


def _format_layer(kind: str, units: int, parameters: int) -> str:
    return f"{kind:10}  {f'(None, {units})':11}  {parameters:>7,}"


def _format_count(parameters: int) -> str:
    """Return a number of parameters as Keras's summary shows it, with their size in float32."""
    size = parameters * _BYTES
    return f"{parameters:,} ({f'{size / 1024:.2f} KB' if size else '0.00 B'})"


def _format_line(figures: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {_format_figure(figures[name])}" for name in HISTORY_KEYS)


def _format_figure(figure: float | None) -> str:
    return "not finite" if figure is None else f"{figure:.4f}"
