"""Misbehaving environments, with few episodes: none lost, none twice, none wrong."""

import re


def test_every_seed_is_in_the_dataset_once_or_on_record_as_failed(drill):
    table = drill("drills/environments.py", "--episodes", "60")
    assert re.search(r"\| all \| 60 \| \d+ \| 0 \| 0 \| 0 \|", table)
