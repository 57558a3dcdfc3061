"""Which episodes are played on whose seeds, and which count as whose.

This wing promises that seeds of different purposes never meet and that a block is committed whole. It never
decides anything from the scores.
"""
