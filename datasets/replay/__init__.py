"""Transitions for a learner, drawn from a snapshot.

This wing promises that what is drawn is a function of the snapshot, the mixture and the generator. It never
writes, but for a copy of columns beside the batches, which can be made again.
"""
