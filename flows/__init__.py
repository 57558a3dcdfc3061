"""Prefect flows and the command line: how people schedule, watch and steer the loop.

This room promises that whatever it shows is read from the workspace, whose own record is the truth:
without Prefect's history nothing is lost. It holds no learning, no statistics and no episodes.
"""

WINGS = ("environment", "terminal", "server", "pages", "runs", "cli")
"""Wings and modules of this room; each imports only those before it."""
