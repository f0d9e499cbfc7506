"""Take one step of Adam on an embedding from which one row is read twice; the first step is the learning rate long."""

import importlib

import numpy as np
import tensorflow as tf
from tensorflow import keras

RATE = 0.1
# Some releases of `tf.keras` have no version of their own.
VERSION = importlib.import_module(keras.Model.__module__.partition(".")[0]).__version__

print(f"Keras {VERSION}, TensorFlow {tf.__version__}")
lengths = []
for sparse in (True, False):
    table = tf.Variable(np.zeros((3, 1), np.float32))
    with tf.GradientTape() as tape:
        # Row 1 is read once, row 2 twice: its gradient is 1 + 3.
        loss = tf.reduce_sum(tf.gather(table, [1, 2, 2]) * [[1.0], [1.0], [3.0]])
    gradient = tape.gradient(loss, table)
    variable = keras.layers.Embedding(3, 1, embeddings_initializer="zeros")
    variable.build(None)
    optimizer = keras.optimizers.Adam(learning_rate=RATE)
    optimizer.apply_gradients([(gradient if sparse else tf.convert_to_tensor(gradient), variable.embeddings)])
    once, twice = (-variable.get_weights()[0][row, 0] / RATE for row in (1, 2))
    lengths.append(twice)
    kind = "as rows (tf.IndexedSlices)" if sparse else "as a dense tensor"
    print(f"gradient {kind}: row read once moves by {once:.3f} learning rates, row read twice by {twice:.3f}")
print("finding:", "yes" if abs(lengths[0] - lengths[1]) > 1e-3 else "no")
