"""Episodes for the outside world: RLDS as a TFDS directory, LeRobot v3, Parquet.

Every export is a copy that can be made again: it promises to say exactly what the store says, to be
whole after a kill at any moment, and to write only what is new. It never changes the store, and it
never loads TensorFlow.
"""
