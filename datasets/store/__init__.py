"""Episodes on disk or in a bucket, in immutable batches.

This wing promises that a batch appears whole under its name or not at all, is never written again, and that
damage is named. It never decides what is learned from.
"""
