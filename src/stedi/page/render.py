"""Facts as HTML, by templates that escape whatever they are given."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from stedi.page import charts
from stedi.page.facts import Facts
from stedi.page.flow import flow
from stedi.page.words import answers, tasks, when


def render(facts: Facts) -> str:
    """The page as HTML; needs the extra `page`."""
    environment = Environment(
        loader=PackageLoader("stedi.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["when"] = when
    style, script = _part("page.css"), _part("page.js")
    return environment.get_template("page.html.j2").render(
        facts=facts,
        count=facts.discreet.count,
        answers=answers(facts),
        tasks=[*tasks(facts)],
        flow=flow(facts),
        charts=_charts(facts),
        lineage=_lineage(facts),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _part(name: str) -> str:
    return (files("stedi.page") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a Content-Security-Policy calls a text by: its SHA-256 in Base64."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _charts(facts: Facts) -> Mapping[str, Any]:
    return {
        "steps": [*charts.steps(facts)],
        "shares": [*charts.shares_over_time(facts)],
        "rows": [*charts.rows_over_time(facts)],
        "times": [*charts.run_times(facts)],
        "arrivals": [*charts.arrivals(facts), *charts.quarantined(facts)],
        "classes": {p.contract.name: charts.class_sizes(p) for p in facts.published},
        "attacks": {p.contract.name: charts.attacks(p) for p in facts.published},
        "model": charts.model(facts),
        "values": {p.contract.name: [*charts.distributions(p)] for p in facts.published},
    }


def _lineage(facts: Facts) -> Mapping[str, Any]:
    """For the script: what a table is made from, and the columns that a column's values go to."""
    return {
        "inputs": {name: [*table.inputs] for name, table in facts.tables.items()},
        "next": {
            f"{name}.{one.column.name}": [".".join(reached) for reached in one.reaches]
            for name, table in facts.tables.items()
            for one in table.columns
            if one.reaches
        },
    }
