"""Pages and artifacts: success per round, a round, an injection, an evaluation, the report.

This wing promises pages that read from records only and need no network. It starts no run.
"""
