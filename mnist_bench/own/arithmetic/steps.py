"""One model whose layers, steps and evaluation are read: outputs, what is differentiated, gradients, weights after."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.own.arithmetic.given import draw_weights, take_rows
from mnist_bench.own.data import list_leaves
from mnist_bench.own.layers import list_rows, list_weights, switch_off
from mnist_bench.own.model import to_tensors
from mnist_bench.training.backend import blame_keras, load_keras, load_tensorflow, without_autotuner

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from mnist_bench.own.file import Loaded
    from mnist_bench.own.layers import Row, Weight

    Array = npt.NDArray[Any]

__all__ = ["GROUPS", "STEPS", "StepRead", "Stepper", "Task", "make_task", "measure"]

GROUPS = ("forward", "gradient", "update", "evaluation")
"""What is read of a model, in the order of training."""

# Samples of a step: the fewer, the fewer units of relu lie so near to 0 that rounding switches them.
_SAMPLES, _EVALUATED = 8, 128

STEPS = 3
"""The most steps of an update: enough for momentum, too few for rounding to grow."""


@dataclass(frozen=True)
class StepRead:
    """One step of training.

    Attributes:
        loss: What the step differentiates: the sum over its entries.
        gradients: By the weight's name; of weights that are not trained there is none.
        after: The weights after the step, in the order of the stepper's.
        calls: How often the step has asked for gradients.
    """

    loss: float
    gradients: dict[str, Array]
    after: list[Array]
    calls: int


@dataclass(frozen=True)
class Task:
    """What a model is given.

    Attributes:
        values: Its weights.
        batches: (x, y) of each step.
        test: (x, y) of the evaluation.
        batch_size: Of the evaluation.
    """

    values: Sequence[Array]
    batches: Sequence[tuple[Any, Any]]
    test: tuple[Any, Any]
    batch_size: int


def make_task(loaded: Loaded, weights: Sequence[Weight], *, draw: int = 0) -> Task:
    """Return given weights and samples of the file's data; another number of a draw gives others."""
    data = loaded.data
    batches = [take_rows((data.x, data.y), _SAMPLES, draw=STEPS * draw + step) for step in range(STEPS)]
    test = take_rows((data.x_test, data.y_test), _EVALUATED, draw=draw)
    values = draw_weights(loaded, weights, draw=draw)
    return Task(values, batches, test, loaded.fit_arguments()["batch_size"])


class Stepper:
    """Runs a compiled model's own `train_step`, and reads what passes through TensorFlow's tape.

    Random layers are switched off: their masks are no arithmetic.
    """

    def __init__(self, model: Any) -> None:
        """Take a built and compiled model, which nothing else trains."""
        self.model = model
        self.rows: list[Row] = list_rows(model)
        self.weights: list[Weight] = list_weights(self.rows)
        self.random = switch_off(model)
        _take_single_steps(model)
        self._recorder = _Recorder(self.weights)
        self._optimizers = _find_optimizers(model)
        self._start: list[tuple[Any, Array]] | None = None
        self._taps: list[tuple[str, Any]] = []
        self._names: list[str] = []
        self._tapped: Any = None

    def set(self, values: Sequence[Array]) -> None:
        """Set all weights."""
        for weight, value in zip(self.weights, values, strict=True):
            weight.variable.assign(value)
        for row in self.rows:
            # Normalization keeps its mean and variance twice.
            if type(row.layer).__name__ == "Normalization" and hasattr(row.layer, "finalize_state"):
                row.layer.finalize_state()

    def get(self) -> list[Array]:
        """Return all weights."""
        return [weight.read() for weight in self.weights]

    def forward(self, x: Any) -> dict[str, Array]:
        """Return the floating-point outputs of each layer, in the order of computation, and of the model, `output`."""
        if self._tapped is None:
            self._tap()
        with blame_keras("the model's call"):
            outputs = self._tapped(to_tensors(x))
        return dict(zip(self._names, map(np.asarray, outputs), strict=True))

    def _tap(self) -> None:
        tf = load_tensorflow()
        for row in self.rows:
            if row.layer is not self.model:
                _wrap_call(row, self._taps)

        def run(x: Any) -> list[Any]:
            self._taps.clear()
            output = self.model(x, training=False)
            outputs = _number([*self._taps, *(("output", leaf) for leaf in tf.nest.flatten(output))])
            kept = [(name, it) for name, it in outputs if tf.is_tensor(it) and it.dtype.is_floating]
            self._names[:] = [name for name, _ in kept]
            return [it for _, it in kept]

        self._tapped = tf.function(run)

    def step(self, x: Any, y: Any, noise: dict[str, Array] | None = None) -> StepRead:
        """Train one step from the weights that are set, with a fresh optimizer; `more` goes on from there.

        Args:
            x: Inputs.
            y: Targets.
            noise: What is added to the gradients before the optimizer has them, by the weight's name.
        """
        self._recorder.begin(noise or {})
        self._restart()
        self._fit(x, y)
        return self._recorder.read(self.get())

    def more(self, batches: Sequence[tuple[Any, Any]]) -> list[Array]:
        """Return the weights after further steps, with the noise of the step before them."""
        for x, y in batches:
            self._fit(x, y)
        return self.get()

    def _fit(self, x: Any, y: Any) -> None:
        """Train one step: first by `fit`, then by the function that `fit` has compiled, in a tenth of the time.

        Not by `train_on_batch`, by which Keras 3 gives a custom step other data than `fit` does.
        """
        with self._recorder.recording(), without_autotuner():
            if getattr(self.model, "train_function", None) is None:
                with blame_keras("fit"):
                    self.model.fit(x, y, batch_size=len(list_leaves(x)[0][1]), epochs=1, shuffle=False, verbose=0)
                return
            batch = load_tensorflow().data.Dataset.from_tensors((to_tensors(x), to_tensors(y)))
            with blame_keras("the training step"):
                self.model.train_function(iter(batch))

    def _restart(self) -> None:
        """Set the optimizers to where they began; before the first step, have them make their variables."""
        if self._start is None:
            trained = [weight.variable for weight in self.weights if weight.variable.trainable]
            for optimizer in self._optimizers:
                # TensorFlow 2.8 has no public name for it.
                make = getattr(optimizer, "build", None) or optimizer._create_all_weights  # noqa: SLF001
                make(trained)
            self._start = [(it, np.array(it.numpy())) for it in self._list_states()]
        for variable, value in self._start:
            variable.assign(value)

    def _list_states(self) -> list[Any]:
        found: list[Any] = []
        for optimizer in self._optimizers:
            found += optimizer.variables() if callable(optimizer.variables) else optimizer.variables
            # Keras 2's Nadam keeps a product that is not among its variables.
            found += [value for value in vars(optimizer).values() if isinstance(value, load_tensorflow().Variable)]
        return list({id(it): it for it in found}.values())

    def evaluate(self, x: Any, y: Any, batch_size: int) -> dict[str, Array]:
        """Return each figure of the evaluation."""
        with blame_keras("evaluate"):
            figures = self.model.evaluate(x, y, batch_size=batch_size, return_dict=True, verbose=0)
        return {name: np.asarray(value, np.float64) for name, value in figures.items()}


def measure(stepper: Stepper, task: Task, noise: dict[str, Array] | None = None) -> dict[str, dict[str, Array]]:
    """Return every tensor of each of `GROUPS`, by the name of its layer, weight or figure, in float64.

    An update is the movement of a weight, in one step and in all steps.

    Args:
        stepper: The model.
        task: What the model is given.
        noise: As for `Stepper.step`.
    """
    x, y = task.batches[0]
    stepper.set(task.values)
    forward = stepper.forward(x)
    evaluation = stepper.evaluate(*task.test, batch_size=task.batch_size)
    read = stepper.step(x, y, noise)
    ends = {"": read.after, f" after {len(task.batches)} steps": stepper.more(task.batches[1:])}
    update = {
        f"{weight.name}{told}": np.asarray(after, np.float64) - before
        for told, weights in ends.items()
        for weight, before, after in zip(stepper.weights, task.values, weights, strict=True)
        if np.asarray(after).dtype.kind == "f"
    }
    forward["loss"] = np.asarray(read.loss)
    groups = zip(GROUPS, (forward, read.gradients, update, evaluation), strict=True)
    return {group: {name: np.asarray(it, np.float64) for name, it in tensors.items()} for group, tensors in groups}


def _number(outputs: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return outputs under names of which each stands once: the second of a name gets a 2."""
    count: dict[str, int] = {}
    named = []
    for name, output in outputs:
        count[name] = count.get(name, 0) + 1
        named.append((name if count[name] == 1 else f"{name} ({count[name]})", output))
    return named


def _wrap_call(row: Row, taps: list[tuple[str, Any]]) -> None:
    """Have a layer put its outputs among the taps each time it is called."""
    tf, call = load_tensorflow(), row.layer.call

    def tapped(*arguments: Any, **named: Any) -> Any:
        outputs = call(*arguments, **named)
        taps.extend((row.name, leaf) for leaf in tf.nest.flatten(outputs))
        return outputs

    # Keras 2 reads a call's arguments from its signature.
    tapped.__signature__ = inspect.signature(call)  # type: ignore[attr-defined]
    object.__setattr__(row.layer, "call", tapped)


def _find_optimizers(model: Any) -> list[Any]:
    """Return the model's optimizer, and those that a custom training step keeps as attributes."""
    kinds = tuple(
        kind
        for holder in (load_keras().optimizers, getattr(load_keras().optimizers, "legacy", None))
        if isinstance(kind := getattr(holder, "Optimizer", None), type)
    )
    found = [model.optimizer, *(value for value in vars(model).values() if isinstance(value, kinds))]
    return list({id(it): it for it in found if it is not None}.values())


def _take_single_steps(model: Any) -> None:
    """Have one call run one step, whatever `steps_per_execution` the model was compiled with."""
    steps: Any = getattr(model, "_steps_per_execution", None)
    if hasattr(steps, "assign"):  # Keras 2
        steps.assign(1)
    elif hasattr(model, "steps_per_execution"):
        model.steps_per_execution = 1


class _Recorder:
    """Notes, in variables of TensorFlow, what a tape is asked to differentiate and what it answers."""

    def __init__(self, weights: Sequence[Weight]) -> None:
        tf = load_tensorflow()
        trained = [weight for weight in weights if weight.variable.trainable]
        self._names = {}
        for weight in trained:
            self._names[id(weight.variable)] = weight.name
            if not callable(inner := getattr(weight.variable, "value", None)):  # Keras 3
                self._names[id(inner)] = weight.name
        self._loss = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self._calls = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._gradients, self._noise = {}, {}
        for weight in trained:
            zeros = tf.zeros(weight.variable.shape, tf.as_dtype(weight.variable.dtype))
            self._gradients[weight.name] = tf.Variable(zeros, trainable=False)
            self._noise[weight.name] = tf.Variable(zeros, trainable=False)

    def begin(self, noise: dict[str, Array]) -> None:
        """Forget what was noted; add this noise to gradients from now on."""
        self._calls.assign(0)
        for name, variable in self._noise.items():
            variable.assign(noise.get(name, np.zeros(variable.shape)))
            self._gradients[name].assign(np.zeros(variable.shape))

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Note what all tapes are asked for while the context lasts, and whatever is compiled meanwhile."""
        tape = load_tensorflow().GradientTape
        original = tape.gradient

        def gradient(this: Any, target: Any, sources: Any, *rest: Any, **named: Any) -> Any:
            found = original(this, target, sources, *rest, **named)
            if not isinstance(sources, (tuple, list)) or not any(id(source) in self._names for source in sources):
                return found
            return self._note(target, sources, found)

        tape.gradient = gradient
        try:
            yield
        finally:
            tape.gradient = original

    def _note(self, target: Any, sources: Sequence[Any], found: Sequence[Any]) -> list[Any]:
        tf = load_tensorflow()
        self._calls.assign_add(1)
        self._loss.assign(sum(tf.cast(tf.reduce_sum(leaf), tf.float64) for leaf in tf.nest.flatten(target)))
        noisy = []
        for source, gradient in zip(sources, found, strict=True):
            name = self._names.get(id(source))
            if name is None or gradient is None:
                noisy.append(gradient)
                continue
            dense = tf.convert_to_tensor(gradient)
            self._gradients[name].assign(tf.cast(dense, self._gradients[name].dtype))
            # An embedding's gradient stays sparse: optimizers treat rows that no sample has differently.
            noise = tf.cast(self._noise[name], dense.dtype)
            noisy.append(_add(gradient, noise) if isinstance(gradient, tf.IndexedSlices) else dense + noise)
        return noisy

    def read(self, after: list[Array]) -> StepRead:
        """Return what was noted of a step."""
        gradients = {name: variable.numpy() for name, variable in self._gradients.items()}
        return StepRead(float(self._loss.numpy()), gradients, after, int(self._calls.numpy()))


def _add(slices: Any, noise: Any) -> Any:
    tf = load_tensorflow()
    return tf.IndexedSlices(slices.values + tf.gather(noise, slices.indices), slices.indices, slices.dense_shape)
