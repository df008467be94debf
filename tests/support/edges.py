"""What Trino 476 gives for expressions at the edges of their arguments' types."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from stedi.shown import double

FAILS = "(fails)"


class Edge(NamedTuple):
    """An expression, and the type and value of it on Trino; `FAILS` where it has none."""

    function: str
    expression: str
    type: str
    value: str | None


def _read() -> list[Edge]:
    text = (Path(__file__).parent / "edges.json").read_text(encoding="utf-8")
    return [Edge(*row) for row in json.loads(text)]


EDGES = _read()


def shown_by_trino(value: Any, type_: str) -> str | None:
    """A value as Trino's protocol has it, as Athena shows it."""
    if value is None:
        return None
    kind, parts = _parsed(type_)
    if kind == "array":
        return f"[{', '.join(_inner(v, parts[0]) for v in value)}]"
    if kind == "map":
        pairs = (f"{_inner(k, parts[0])}={_inner(v, parts[1])}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if kind == "row":
        fields = [*map(_field, parts, range(len(parts)))]
        named = zip(fields, value, strict=True)
        return f"{{{', '.join(f'{name}={_inner(v, of)}' for (name, of), v in named)}}}"
    if kind == "boolean":
        return "true" if value else "false"
    if kind in ("double", "real"):
        return double(float(value))
    if kind == "varbinary":
        return base64.b64decode(value).hex(" ")
    return str(value)


def _inner(value: Any, type_: str) -> str:
    text = shown_by_trino(value, type_)
    return "null" if text is None else text


def _field(part: str, number: int) -> tuple[str, str]:
    match = re.fullmatch(r'("[^"]*"|\w+) (.*)', part)
    if match is None or re.match(r"(timestamp|time|interval|double precision)\b", part):
        return f"field{number}", part
    return match[1].strip('"'), match[2]


def _parsed(type_: str) -> tuple[str, list[str]]:
    match = re.fullmatch(r"(array|map|row)\((.*)\)", type_.strip(), re.DOTALL)
    if match is None:
        return type_.strip(), []
    parts, depth, part = [], 0, ""
    for sign in match[2]:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += sign
    return match[1], [*parts, part.strip()]
