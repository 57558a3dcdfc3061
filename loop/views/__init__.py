"""What people are shown of a workspace, without a screen: rows, curves, lineage, films.

This wing promises to show what is on record and nothing else. It only reads.
"""
