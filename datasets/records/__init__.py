"""What an episode, a batch and a snapshot are.

This wing promises that equal content has equal fingerprints and digests, and that what does not fit a schema
is refused in a sentence. It knows no folder and no bucket.
"""
