"""A learner run: the objective, the steps, their batches, the run's own state on disk.

This wing promises that a run is a function of (replay, configuration, starting weights, seed), also across a
kill. It never chooses what to learn from. Its modules import one way: objective, step, feed, state, run.
"""
