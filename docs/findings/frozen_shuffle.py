"""Show the order in which `fit` visits eight samples, in three epochs, for several global seeds."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

SAMPLES, EPOCHS = 8, 3


class Recorder(keras.Model):
    """Notes which sample each step trains."""

    def train_step(self, data):
        """Note the sample."""
        seen.append(int(data[0][0, 0]))
        return {"loss": 0.0}

    def call(self, inputs):
        """Do nothing."""
        return inputs


def record(seed):
    """Return the orders of the epochs; seed None sets no seed."""
    if seed is not None:
        keras.utils.set_random_seed(seed)
    model = Recorder()
    model.compile(run_eagerly=True)
    x = np.arange(SAMPLES, dtype=np.float32)[:, None]
    model.fit(x, x, batch_size=1, epochs=EPOCHS, verbose=0)
    return np.array(seen[-SAMPLES * EPOCHS :]).reshape(EPOCHS, SAMPLES)


seen = []
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
orders = {seed: record(seed) for seed in (None, 0, 1)}
for seed, epochs in orders.items():
    print(f"seed {seed}:", *("".join(map(str, epoch)) for epoch in epochs))
print("one order for all seeds:", "yes" if (orders[0] == orders[1]).all() else "no")
print("finding:", "yes" if (orders[0][0] == orders[0]).all() else "no")
