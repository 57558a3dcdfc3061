"""Episodes from outside, checked one by one.

This wing promises that what passes `validate` fits the schema, and that every other episode has its reasons.
It never executes anything from a file and never writes to a store.
"""
