"""The family `mnist-bench matrix`: versions of TensorFlow and Keras, measured and compared."""
