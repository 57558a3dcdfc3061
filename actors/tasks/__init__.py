"""The tasks that come with pacloop, a folder each."""
