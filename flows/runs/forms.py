"""What Prefect's forms ask: each parameter's type, bounds, choices, default and description.

What a setting of `pacloop.toml` decides as well has that setting's bounds and words. A form's values are
those of the file at the time when the deployments were registered, by `serve` or `deploy`: an edit of the
file shows in the form, and counts for a scheduled run, once the same command has run again.
"""

from typing import Annotated, Any

from pydantic import Field
from pydantic_core import PydanticUndefined

from ...datasets.imports.readers import FORMATS
from ...loop.workspace.config import Improve


def setting(section: type, name: str, description: str = "") -> Any:
    """A form's field with the default of a setting, and its description unless another is given."""
    own = section.model_fields[name]
    return Field(default=own.default, description=description or f"{own.description}.".capitalize())


def field(description: str, default: Any = PydanticUndefined) -> Any:
    """A form's field that no setting has; one without a default must be filled in."""
    return Field(default=default, description=description)


Rounds = Annotated[int, *Improve.model_fields["rounds"].metadata]
Target = Annotated[float, *Improve.model_fields["until"].metadata]
Minutes = Annotated[float, *Improve.model_fields["minutes"].metadata]
Episodes = Annotated[int, *Improve.model_fields["evaluation_episodes"].metadata]
Text = Annotated[str, Field(min_length=1)]
Format = Annotated[str, Field(json_schema_extra={"enum": ["auto", *FORMATS]})]

WORKSPACE = "Folder of the run, on the machine that serves it, or its URL. Leave it as it is."
