"""pacloop: a self-improvement loop for robot policies."""
