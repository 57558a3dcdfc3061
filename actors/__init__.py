"""Tasks, demonstrators, and policies acting in many environments at once.

This room promises that an episode's start state and action noise are functions of its seed alone,
whoever runs it and however often it has to be run again. It never learns and never decides.
"""

WINGS = ("task", "rendering", "tasks", "registry", "rollout")
"""Wings and modules of this room; each imports only those before it."""
