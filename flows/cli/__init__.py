"""The command line, a file a group of commands.

This wing promises one sentence and exit status 2 for a user's mistake, and an answer to `--help` at once.
"""
