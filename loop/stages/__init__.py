"""The stages of a round, each a function of what is on disk to what is on disk.

This wing promises that a stage killed anywhere ends the same when it is run again. It knows nothing of
Prefect.
"""
