"""No deadline for hypothesis: how long an example takes says more about the machine than about the code."""

from hypothesis import settings

settings.register_profile("pacloop", deadline=None)
settings.load_profile("pacloop")
