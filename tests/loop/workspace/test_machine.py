"""What a page says it was made with."""

import re

from pacloop.loop.workspace.machine import code, environment


def test_the_facts_are_of_here_and_now():
    facts = environment()
    assert facts["torch"][0].isdigit()
    assert re.fullmatch(r"\d+ usable of \d+", facts["cores"])
    assert re.fullmatch(r"[1-9]\d* GiB", facts["memory"])
    assert all(facts.values())


def test_the_code_is_named_by_version_and_commit():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?(, commit [0-9a-f]{7,}(-dirty)?)?", code())
