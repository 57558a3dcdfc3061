"""Pages and artifacts: success per round, a round, an injection, an evaluation, the report.

This wing promises pages that read from records only and need no network: a module gathers what a page
shows, a template in `templates/` says it. It starts no run.
"""
