"""Show what `fit` reports of the same training with 1, 2, 4 and 8 steps an execution."""

import warnings

import numpy as np
import tensorflow as tf
from tensorflow import keras

warnings.simplefilter("ignore")  # Keras 3.0 to 3.6 warn that the data ran out
rng = np.random.default_rng(0)
x = rng.random((384, 784), dtype=np.float32)
y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, len(x))]
train, test = (x[:320], y[:320]), (x[320:], y[320:])  # 10 batches of 32 to train, 2 to validate


def report(steps):
    """Return the losses that `fit` reports of one epoch, and the sum of the trained weights."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((784,)), keras.layers.Dense(10, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", steps_per_execution=steps)
    try:
        history = model.fit(*train, validation_data=test, shuffle=False, verbose=0).history
    except AttributeError as error:  # Keras 3.3 and 3.4 have no validation results to name
        print(f"{steps} steps: fit raises {error}")
        history = {}
    figures = [history.get(name, [np.nan])[-1] for name in ("loss", "val_loss")]
    return [round(float(figure), 5) for figure in (*figures, np.abs(model.get_weights()[0]).sum())]


print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
rows = {steps: report(steps) for steps in (1, 2, 4, 8)}
for steps, (loss, val_loss, weights) in rows.items():
    print(f"{steps} steps: loss {loss:.5f}, val_loss {val_loss:.5f}, weights {weights:.5f}")
print("finding:", "yes" if not np.allclose(rows[8], rows[1], rtol=1e-4) else "no")
