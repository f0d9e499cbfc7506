"""Count, and time with --time, what one step of Keras's `fit` costs: as shipped, and with the function of Keras 3.6."""

import cProfile
import pstats
import sys
import time

import keras
import numpy as np
import tensorflow as tf

BATCH, STEPS = 128, 375  # an epoch of MNIST's 48,000 training images


def make_function(self, step):
    """Build the train function as Keras 3.6 did: one call into TensorFlow a step, and no Optional."""
    inner = tf.function(step, autograph=False, reduce_retracing=True, jit_compile=self.jit_compile)

    def one_step(iterator):
        outputs = self.distribute_strategy.run(inner, args=(next(iterator),))
        return keras.src.backend.tensorflow.trainer.reduce_per_replica(outputs, self.distribute_strategy, "auto")

    return tf.function(one_step, autograph=False, reduce_retracing=True)


def build(cls):
    """Build and compile the lab's MLP: 784, 128, 128, 10."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(n, activation=a) for n, a in ((128, "relu"), (128, "relu"), (10, "softmax"))]
    model = cls([keras.layers.Input((784,)), *layers])
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


def fit(model, steps):
    """Train the steps; return the seconds of processor time."""
    callbacks = keras.callbacks.CallbackList([], add_history=True, model=model)
    callbacks._async_train = False  # Keras 3.6 called back from another thread, which cProfile does not see
    begin = time.process_time()
    model.fit(x[: steps * BATCH], y[: steps * BATCH], batch_size=BATCH, verbose=0, callbacks=callbacks)
    return time.process_time() - begin


def count(model, steps):
    """Return the Python calls, the C calls and the eager TensorFlow operations of a training of some steps."""
    with cProfile.Profile() as profile:
        fit(model, steps)
    calls = {key: value[1] for key, value in pstats.Stats(profile).stats.items()}
    c = {name: n for (file, _, name), n in calls.items() if file == "~"}
    return np.array([sum(calls.values()) - sum(c.values()), sum(c.values()), find(c, "FastPathExecute")])


def find(calls, word):
    """Return how often the C functions with this word in their name were called."""
    return sum(n for name, n in calls.items() if word in name)


def list_graphs(function):
    """Return the graphs that were traced of a function, or of the functions that it calls."""
    if hasattr(function, "_list_all_concrete_functions"):
        return [traced.graph.as_graph_def() for traced in function._list_all_concrete_functions()]
    inner = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    return [graph for other in inner if callable(other) for graph in list_graphs(other)]


rng = np.random.default_rng(0)
x = rng.random((BATCH * STEPS, 784), dtype=np.float32)
y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, len(x))]
models = {"as shipped": build(keras.Sequential)}
if hasattr(keras.Sequential, "_make_function"):
    models["as in 3.6"] = build(type("Patched", (keras.Sequential,), {"_make_function": make_function}))

print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
for name, model in models.items():
    fit(model, 20)
    python, c, eager = (count(model, 40) - count(model, 20)) / 20
    graphs = list_graphs(model.train_function)
    nodes = max(len(graph.node) + sum(len(part.node_def) for part in graph.library.function) for graph in graphs)
    print(f"{name}: {python:.0f} Python calls, {c:.0f} C calls, {eager:.0f} eager operations a step; graph of {nodes}")
    if name == "as shipped":
        slow = eager >= 1
if "--time" in sys.argv:
    rounds = [{name: fit(model, STEPS) / STEPS * 1e6 for name, model in models.items()} for _ in range(32)][2:]
    for name in models:
        ratios = [times["as shipped"] / times[name] for times in rounds]
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        times = np.median([times[name] for times in rounds])
        print(f"{name}: {times:.0f} us a step; as shipped takes {middle:.3f} times as long ({low:.3f} to {high:.3f})")
print("finding:", "yes" if slow else "no")
