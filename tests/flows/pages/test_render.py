"""Markdown that nothing breaks out of, and that is never larger than the UI bears."""

import pytest
from jinja2 import UndefinedError

from pacloop.flows.pages.render import cell, fitted, markdown, picture


def test_no_text_breaks_out_of_a_table_or_a_paragraph():
    assert cell("a|b <i>\n\n# c") == "a\\|b &lt;i> # c"


def test_what_is_fitted_loses_the_last_pictures_first():
    first, last = picture(bytes(150), "first"), picture(bytes(150), "last")
    assert fitted([first, "", "text", last], 10_000) == f"{first}\n\ntext\n\n{last}"
    kept = fitted([first, "text", last], 400)
    assert first in kept and "last" not in kept and "left out" in kept


def test_a_template_without_a_value_is_an_error():
    with pytest.raises(UndefinedError, match="outcome"):
        markdown("evaluation.md.j2", rows=[], champion="")
