"""What all tests share: no deadline for hypothesis, and an interrupt that interrupts."""

import signal

from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("pacloop", deadline=None)
settings.load_profile("pacloop")

# A shell starts what it runs in the background with SIGINT ignored, and Python then leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)
