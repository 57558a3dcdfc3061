"""Damaged files, odd commands and mistaken plug-ins, a few of each."""

import re

import pytest


@pytest.mark.parametrize(("what", "tries"), [("files", 30), ("words", 30), ("plugins", 8)])
def test_bad_input_is_a_sentence_or_obeyed(drill, what, tries):
    table = drill("drills/bad_input.py", "--what", what, "--tries", str(tries))
    assert re.search(r"\| all \| \d\d+ \| .* \| 0 \| 0 \| 0 \|", table)
