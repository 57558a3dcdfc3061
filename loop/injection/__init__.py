"""Demonstrations from outside: fetched, checked, scored, appended, put on record.

This wing promises that a good episode is added once and a bad one is kept out with its reasons. It never
learns.
"""
