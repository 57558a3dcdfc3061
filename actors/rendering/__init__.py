"""Pictures of a model, and videos of an episode; needs no display.

This wing promises one renderer a size, and that a file appears whole. It never changes what it looks at.
"""
