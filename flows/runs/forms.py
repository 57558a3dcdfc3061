"""Types of what Prefect's forms ask: bounds and choices, those of `pacloop.toml` where it has the setting.

A field of a setting is empty: a run then does as the file says when it begins.
"""

from typing import Annotated

from pydantic import Field, WithJsonSchema

from ...datasets.imports.readers import FORMATS
from ...loop.workspace.config import Improve

AS_THE_FILE = "as pacloop.toml says"
ON_A_FORM = "somebody, on the form"
"""Who filled in a form that names nobody: who serves it did not."""


def _bounds(name: str) -> WithJsonSchema:
    """Those of a setting of `[improve]`, as the form has them and the server holds it to them."""
    schema = Improve.model_json_schema()["properties"][name]
    words = ("default", "description", "title")
    return WithJsonSchema({key: value for key, value in schema.items() if key not in words})


Rounds = Annotated[int | None, _bounds("rounds")]
Target = Annotated[float | None, _bounds("until")]
Minutes = Annotated[float | None, _bounds("minutes")]
Episodes = Annotated[int | None, _bounds("evaluation_episodes")]
Approve = Annotated[bool | str, WithJsonSchema({"type": "string", "enum": [AS_THE_FILE, "yes", "no"]})]
"""A Boolean is what earlier versions registered, and never meant by anybody."""
Text = Annotated[str, Field(min_length=1)]
Recording = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "pattern": r"^([A-Za-z0-9+]+://[^/?#@]*(/[^?#]*)?|([^:]|:[^/]|:/[^/])*:?/?)$",
        }
    ),
]
"""A path, or a URL without a password and a signature: Prefect keeps what a form is filled in with."""
Format = Annotated[str, WithJsonSchema({"type": "string", "enum": ["auto", *FORMATS]})]
