"""Rates, intervals and sequential tests; numpy and scipy, nothing of a workspace.

This wing promises the error rates that its docstrings state. It never plays an episode.
"""
