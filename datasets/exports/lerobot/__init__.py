"""LeRobot v3: Parquet and videos."""
