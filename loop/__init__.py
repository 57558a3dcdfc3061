"""What a round is: collect, append, learn, gate, and the record of it that survives any kill.

This room promises that a workspace always names exactly one champion, that a stage which ran is
never run twice, and that a promotion is backed by a test with a stated error rate. It knows nothing
of Prefect.
"""

WINGS = ("errors", "progress", "statistics", "workspace", "episodes", "gate", "injection", "stages", "views")
"""Wings and modules of this room; each imports only those before it."""
