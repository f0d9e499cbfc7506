"""Compare the loss that `evaluate` reports with the same loss computed by NumPy in float64."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

BATCH = 32

rng = np.random.default_rng(0)
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
for samples in (10_000, 33):  # the last batch has 16 samples, and 1
    x = rng.random((samples, 784), dtype=np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, samples)]
    model = keras.Sequential([keras.layers.Input((784,)), keras.layers.Dense(10, activation="softmax")])
    model.compile(loss="categorical_crossentropy")
    model.set_weights([rng.normal(0, 0.1, (784, 10)), np.zeros(10)])
    logits = x.astype(np.float64) @ model.get_weights()[0].astype(np.float64)
    losses = np.log(np.exp(logits).sum(axis=1)) - (logits * y).sum(axis=1)
    of_batches = np.mean([losses[i : i + BATCH].mean() for i in range(0, samples, BATCH)])
    reported = model.evaluate(x, y, batch_size=BATCH, verbose=0)
    print(
        f"{samples} samples: evaluate {reported:.5f}; mean of samples {losses.mean():.5f}, of batches {of_batches:.5f}"
    )
print("finding:", "yes" if abs(reported - losses.mean()) > 1e-3 else "no")
