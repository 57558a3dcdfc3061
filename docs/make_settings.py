"""Writes docs/settings.md, the reference of `pacloop.toml`, from the models that read the file.

    .venv/bin/python docs/make_settings.py

A test holds the page equal to what this makes.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pacloop.loop.workspace.config import Config, to_toml

PAGE = Path(__file__).with_name("settings.md")
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}

HEAD = """# Settings: `pacloop.toml`

A workspace's settings are in its file `pacloop.toml`. Unknown names, values out of bounds and settings that
contradict each other are refused, with the name and the reason.

## Change a setting

`pacloop init` writes every setting with its default: **change the line that is there**. Do not paste an
example of these pages at the end of the file: TOML refuses a second `[gate]` table, as it does a name that
stands twice, and then no command runs. A line that is deleted has its default again. A setting that is a
table is written as a comment with an example: take away the `# ` before it and put your own names and values
in.

A command reads the file when it begins, and so does each run of `pacloop serve` and `pacloop deploy`: after
an edit nothing need be started again. Only what was given to these two as an option, or is filled in in a
form, counts instead ([schedule.md](schedule.md)).

This page is made from the code: `.venv/bin/python docs/make_settings.py`.
"""


def page() -> str:
    """The whole page."""
    schema = Config.model_json_schema()
    return "\n".join([HEAD, *_section("", schema, schema["$defs"])]).rstrip() + "\n"


def _section(name: str, model: dict[str, Any], models: dict[str, Any]) -> Iterator[str]:
    """A section's table, then the sections in it."""
    rows, inner = [], []
    for key, field in model["properties"].items():
        path = f"{name}.{key}".lstrip(".")
        if found := _model_of(field, models):
            inner.append((path, found))
        elif found := _model_of(field.get("additionalProperties"), models):
            inner.append((f"{path}.<name>", found))
            rows.append(f"| `{key}` | `{{}}` | table; keys: any name; see below | {_meaning(key, field)} |")
        else:
            rows.append(f"| `{key}` | {_default(field)} | {_range(field)} | {_meaning(key, field)} |")
    yield f"## `[{name}]`" if name else "## At the top of the file"
    yield f"\n{model['description']}\n" if name else ""
    if rows:
        yield "| setting | default | may be | means |\n|---|---|---|---|"
        yield from [*rows, ""]
    for path, found in inner:
        yield from _section(path, found, models)


def _model_of(field: Any, models: dict[str, Any]) -> dict[str, Any] | None:
    """The model that a field refers to; None where it holds a plain value."""
    if not isinstance(field, dict):
        return None
    reference = field.get("$ref") or next((part.get("$ref") for part in field.get("allOf", [])), None)
    return models[reference.rpartition("/")[2]] if reference else None


def _default(field: dict[str, Any]) -> str:
    return f"`{json.dumps(field['default'])}`" if "default" in field else "required"


def _range(field: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if options := field.get("enum"):
        return ", ".join(f"`{json.dumps(option)}`" for option in options)
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if field.get("type") == "array":
        most = f", at most {field['maxItems']}" if "maxItems" in field else ""
        return f"list{most}, each a {_range(field['items'])}"
    if field.get("type") == "object":
        names = field.get("propertyNames", {}).get("enum")
        keys = ", ".join(names) if names else "any name"
        return f"table; keys: {keys}; values: {_range(field['additionalProperties'])}"
    words = [TYPES[field["type"]]]
    words += [f"{said} {field[name]:g}" for name, said in BOUNDS.items() if name in field]
    return ", ".join(words)


def _meaning(key: str, field: dict[str, Any]) -> str:
    means = field.get("description", "which form of this file it is").replace("|", "\\|")
    return means + "".join(f"; e.g. `{key} = {to_toml(value)}`" for value in field.get("examples", ()))


if __name__ == "__main__":
    PAGE.write_text(page())
