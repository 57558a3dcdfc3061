"""Policies acting in many environments at once, in this process or on Ray.

This wing promises exactly one episode a seed, whatever dies on the way. It never writes to a dataset.
"""
