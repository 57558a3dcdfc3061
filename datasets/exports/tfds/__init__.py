"""RLDS as a TFDS directory that stock TensorFlow Datasets reads; written without TensorFlow."""
