"""A Prefect server to talk to: whether one answers, and one of our own.

This wing promises that what it starts listens on loopback and stops with its block.
"""
