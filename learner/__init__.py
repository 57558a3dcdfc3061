"""PAC, the Perceiver-Actor-Critic: from a snapshot of episodes to a policy that can act.

This room promises that a learner run is a function of its snapshot, its configuration and its seed,
that it goes on after a kill, and that what it writes is data, never code. It knows nothing of
environments, rounds or promotion.
"""

WINGS = ("config", "network", "policy", "checkpoint", "critic_check", "training")
"""Wings and modules of this room; each imports only those before it."""
