"""Is the candidate better than the champion, at a stated chance of being wrong?

This wing promises the level of every comparison at every look. It never puts a policy in force.
"""
