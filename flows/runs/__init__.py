"""The Prefect flows and deployments, and what goes on around a run.

This wing promises that the workspace's record is the truth and Prefect shows it. It knows nothing of torch.
"""
