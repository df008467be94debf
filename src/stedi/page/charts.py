"""Charts: Vega-Lite specifications, turned into pictures (SVG) that need no script.

What a reader can't see stands beside each: a sentence, and the figures as a table. Colours are
those of print; the style sheet has others for the dark, by the colours as attributes.

Specification: https://vega.github.io/vega-lite/docs/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup
from vl_convert import vegalite_to_svg

from stedi.page.discreet import Discreet
from stedi.page.facts import Distribution, Facts, PublishedFacts, TableFacts

if TYPE_CHECKING:
    from stedi.privacy.audit.attack import AttackResult
    from stedi.status import StepStatus

VEGA_LITE = "6.4"
INK, MUTED, GRID, KEPT, LOST, LIMIT = (
    *("#1d2530", "#586473", "#dde2e8", "#1f6f8b", "#c2603a", "#9b1c31"),
)
TABLES_CHARTED = 12
DAYS_CHARTED = 120
_DAYS_WITH_HOURS = 2
_MINUTES = timedelta(minutes=10)
_SVG = "http://www.w3.org/2000/svg"
_SHOWN = {"svg", "g", "path", "rect", "line", "text", "tspan", "circle"}
_IGNORED = {"class", "pointer-events", "role", "version", "width", "height", "opacity"}
LARGER = 1.15
"""How many times as large as it is drawn a picture is shown, where there is room."""
_CONFIG: Mapping[str, Any] = {
    "background": None,
    "font": "Arial, Helvetica, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "gridColor": GRID,
        "domainColor": MUTED,
        "tickColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 190,
    },
    "legend": {
        "labelColor": INK,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "orient": "top",
        "title": None,
        "labelLimit": 240,
    },
    "bar": {"color": KEPT},
    "line": {"color": KEPT, "strokeWidth": 2},
    "point": {"color": KEPT, "filled": True, "size": 36},
}


@dataclass(frozen=True)
class Chart:
    """A picture, what it shows in words, and its figures: `rows` under `columns`."""

    name: str
    title: str
    words: str
    svg: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def chart(
    name: str,
    title: str,
    words: str,
    spec: Mapping[str, Any],
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
) -> Chart:
    """Draw a specification."""
    drawn = draw(spec)
    return Chart(name, title, words, drawn, tuple(columns), tuple(tuple(row) for row in rows))


def draw(spec: Mapping[str, Any]) -> Markup:
    """A specification as SVG: shapes and text alone, letters of one size where it fits."""
    svg = vegalite_to_svg({**spec, "config": _CONFIG}, vl_version=VEGA_LITE)
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(svg)  # noqa: S314 - the library's own, and nothing is fetched
    size = {name: str(round(float(root.attrib[name]) * LARGER)) for name in ("width", "height")}
    _bare(root)
    root.attrib.update(size)
    root.set("aria-hidden", "true")
    root.set("class", "picture")
    text = ElementTree.tostring(root, encoding="unicode")
    return Markup(re.sub(r"\.(\d\d)\d+", r".\1", text))  # noqa: S704 - written by ElementTree


def _bare(element: ElementTree.Element) -> None:
    for name in [*element.attrib]:
        if name in _IGNORED or name.startswith(("aria-", "on", "{")) or name == "style":
            if name == "opacity" and element.get(name) != "1":
                continue
            del element.attrib[name]
    for child in [*element]:
        tag = child.tag.rpartition("}")[2]
        is_empty = tag == "path" and child.get("d", "") in ("", "M0,0h0v0h0Z")
        if tag not in _SHOWN or child.get("display") == "none" or is_empty:
            element.remove(child)
            continue
        _bare(child)
        unseen = tag == "path" and child.get("fill") is child.get("stroke") is None
        if (tag == "g" and not len(child)) or (unseen and "background" in str(child.attrib)):
            element.remove(child)


# Which charts there are ---------------------------------------------------------------------------


def steps(facts: Facts) -> Iterator[Chart]:
    """Of the rows that come into each step, what each reason drops and what is kept: a funnel."""
    shown = [
        t for t in facts.tables.values() if t.step and t.step.in_ and t.step.adds_up is not None
    ]
    if not shown:
        return
    values: list[dict[str, Any]] = []
    rows = []
    for table in shown[:TABLES_CHARTED]:
        assert table.step is not None
        step, d = table.step, facts.discreet
        values += _funnel(table.name, step, d)
        reasons = step.dropped or {"nothing is dropped": 0}
        for reason, count in reasons.items():
            rows.append(
                (
                    table.name, d.count(step.in_, table.name), d.count(step.kept, table.name),
                    reason, d.count(count, table.name),
                )
            )  # fmt: skip
    x = {
        "field": "from", "type": "quantitative", "scale": {"domain": [0, 1]},
        "axis": {"format": "%", "tickCount": 4, "grid": False},
        "title": "share of the rows that come in",
    }  # fmt: skip
    color = {
        "field": "what", "type": "nominal",
        "scale": {"domain": ["kept", "dropped"], "range": [KEPT, LOST]},
    }  # fmt: skip
    spec = {
        "data": {"values": [{"n": n, **value} for n, value in enumerate(values)]},
        "width": 300,
        "height": {"step": 34},
        "encoding": {"y": {"field": "n", "type": "ordinal", "axis": None}},
        "layer": [
            {
                "transform": [{"filter": "datum.what != 'in'"}],
                "mark": {"type": "bar", "height": 11, "yOffset": 6, "minBandSize": 1},
                "encoding": {"x": x, "x2": {"field": "to"}, "color": color},
            },
            {
                "mark": {
                    "type": "text", "align": "left", "baseline": "middle", "fontSize": 12,
                    "color": INK, "limit": 296,
                    "dy": {"expr": "datum.what == 'in' ? 7 : -7"},
                    "fontWeight": {"expr": "datum.what == 'in' ? 'bold' : 'normal'"},
                },
                "encoding": {"x": {"datum": 0, "type": "quantitative"}, "text": {"field": "label"}},
            },
        ],
    }  # fmt: skip
    yield chart(
        "steps",
        "What each step keeps",
        _most_dropped(shown, facts),
        spec,
        ("table", "rows in", "kept", "dropped because", "dropped"),
        rows,
    )


def _funnel(name: str, step: StepStatus, discreet: Discreet) -> Iterator[dict[str, Any]]:
    """The bars of a step: each reason takes its rows from the end of what was left before it."""
    total = max(discreet.number(step.in_, name), 1)
    left = 1.0
    yield {"what": "in", "label": f"{name}: {discreet.count(step.in_, name)} rows come in"}
    for reason, count in step.dropped.items():
        begin = max(left - discreet.number(count, name) / total, 0.0)
        label = f"{discreet.count(count, name)}: {reason}"
        yield {"what": "dropped", "label": label, "from": begin, "to": left}
        left = begin
    kept = min(discreet.number(step.kept, name) / total, 1.0)
    label = f"{discreet.count(step.kept, name)} kept"
    yield {"what": "kept", "label": label, "from": 0.0, "to": kept}


def _most_dropped(shown: Sequence[TableFacts], facts: Facts) -> str:
    reasons = [
        (count, reason, t.name) for t in shown if t.step for reason, count in t.step.dropped.items()
    ]
    if not reasons:
        return "No step drops any rows."
    count, reason, table = max(reasons)
    return (
        f"The reason that drops most rows is “{reason}” on the way to {table}: "
        f"{facts.discreet.count(count, table)}."
    )


def rows_over_time(facts: Facts) -> Iterator[Chart]:
    """How many rows each table had, by snapshot that is kept: one small chart a table."""
    shown = [table for table in facts.tables.values() if len(table.runs) > 1]
    for table in shown[:TABLES_CHARTED]:
        counts = [facts.discreet.over_time(run.rows) for run in table.runs]
        times = [_when(run.committed) for run in table.runs]
        values = [{"t": t, "rows": n} for t, n in zip(times, counts, strict=True)]
        left = [run.left for run in table.runs]
        has_left = any(n is not None for n in left)
        yield chart(
            f"rows-{table.name}",
            table.name,
            f"From {counts[0]:,} to {counts[-1]:,} rows.",
            _line(values, "rows"),
            ("time (UTC)", "rows, in tens", *(("people who left",) if has_left else ())),
            (
                (t.replace("T", " "), f"{n:,}", *((_left(one, facts),) if has_left else ()))
                for t, n, one in zip(times, counts, left, strict=True)
            ),
        )


def _line(values: Sequence[Mapping[str, Any]], field: str, format_: str = "~s") -> dict[str, Any]:
    begin, end = (datetime.fromisoformat(values[n]["t"]) for n in (0, -1))
    long = end - begin
    hours = "%H:%M" if long > _MINUTES else "%H:%M:%S"
    return {
        "data": {"values": [*values]},
        "width": 260,
        "height": 90,
        "mark": {"type": "line", "point": len(values) < 40, "interpolate": "step-after"},
        "encoding": {
            "x": {
                "field": "t", "type": "temporal", "title": None, "scale": {"type": "utc"},
                "axis": {
                    "grid": False, "tickCount": 3, "labelOverlap": True,
                    "format": hours if long.days < _DAYS_WITH_HOURS else "%d %b %y",
                },
            },
            "y": {
                "field": field, "type": "quantitative", "title": None,
                "axis": {"format": format_, "tickCount": 3}, "scale": {"zero": True, "nice": True},
            },
        },
    }  # fmt: skip


def _left(left: int | None, facts: Facts) -> str:
    if not left:
        return "none" if left == 0 else "unknown"
    return facts.discreet.few if facts.discreet.is_few(left) else f"about {_tens(left):,}"


def _tens(count: int) -> int:
    return max(10, (count + 5) // 10 * 10)


def shares_over_time(facts: Facts) -> Iterator[Chart]:
    """The share of records that each table of people who consent keeps, by snapshot."""
    for table in facts.tables.values():
        runs = [run for run in table.runs if run.rows_in]
        if table.contract.consent_at is None or len(runs) < 2:
            continue
        d = facts.discreet
        shares = [d.over_time(r.rows) / max(d.over_time(r.rows_in or 0), 1) for r in runs]
        times = [_when(run.committed) for run in runs]
        values = [{"t": t, "share": min(s, 1.0)} for t, s in zip(times, shares, strict=True)]
        yield chart(
            f"share-{table.name}",
            "Share of customer records with a consent that counts",
            f"Now {shares[-1]:.0%} of the records that come in are kept in {table.name}.",
            _line(values, "share", "%"),
            ("time (UTC)", "share kept"),
            ((t.replace("T", " "), f"{s:.0%}") for t, s in zip(times, shares, strict=True)),
        )


def arrivals(facts: Facts) -> Iterator[Chart]:
    """How many records came on each day, by source."""
    for source in facts.sources:
        days = [*source.arrived.items()][-DAYS_CHARTED:]
        if len(days) < 2:
            continue
        counts = [(day, facts.discreet.over_time(count)) for day, count in days]
        spec = _bars([{"day": day, "records": n} for day, n in counts], "records", "~s")
        yield chart(
            f"arrived-{source.name}",
            f"{source.name}: records by day of arrival",
            f"On the last day that brought any, {days[-1][0]}: {counts[-1][1]:,} records, in tens.",
            spec,
            ("day (UTC)", "records, in tens"),
            ((day, f"{n:,}") for day, n in counts),
        )


def _bars(values: Sequence[Mapping[str, Any]], field: str, format_: str) -> dict[str, Any]:
    return {
        "data": {"values": [*values]},
        "width": 260,
        "height": 90,
        "mark": "bar",
        "encoding": {
            "x": {
                "field": "day", "type": "ordinal", "title": None,
                "axis": {"labelAngle": 0, "labelOverlap": True},
            },
            "y": {
                "field": field, "type": "quantitative", "title": None,
                "axis": {"format": format_, "tickCount": 3},
            },
        },
    }  # fmt: skip


def quarantined(facts: Facts) -> Iterator[Chart]:
    """The share of each day's records that was quarantined, by source that had any."""
    for source in facts.sources:
        d = facts.discreet
        days = [
            (day, min(1.0, d.over_time(source.set_aside.get(day, 0)) / d.over_time(count)))
            for day, count in [*source.arrived.items()][-DAYS_CHARTED:]
            if d.over_time(count)
        ]
        if len(days) < 2 or not any(source.set_aside.values()):
            continue
        worst, share = max(days, key=lambda one: one[1])
        yield chart(
            f"quarantined-{source.name}",
            f"{source.name}: share of records quarantined, by day of arrival",
            f"Most on {worst}: {share:.1%}.",
            _bars([{"day": day, "share": share} for day, share in days], "share", "%"),
            ("day (UTC)", "share quarantined"),
            ((day, f"{share:.1%}") for day, share in days),
        )


def run_times(facts: Facts) -> Iterator[Chart]:
    """How long runs took until they had built the last table that is not published."""
    runs = facts.run_times
    if runs is None or len(runs.times) < 2:
        return
    times = [(_when(committed), seconds) for committed, seconds in runs.times]
    longest = max(seconds for _, seconds in times)
    yield chart(
        "seconds",
        f"Seconds until a run had built {runs.table}",
        f"The last run took {times[-1][1]:,.1f} seconds, the longest {longest:,.1f}.",
        _line([{"t": t, "seconds": round(seconds, 3)} for t, seconds in times], "seconds"),
        ("time (UTC)", "seconds"),
        ((t.replace("T", " "), f"{seconds:,.1f}") for t, seconds in times),
    )


def class_sizes(published: PublishedFacts) -> Chart | None:
    """How many classes have so many people (or rows, where nobody was counted)."""
    if not published.class_sizes:
        return None
    what = "people" if published.are_people else "rows"
    top = 60
    sizes: dict[int, int] = {}
    for size, count in published.class_sizes.items():
        sizes[min(size, top)] = sizes.get(min(size, top), 0) + count
    smallest = min(published.class_sizes)
    spec = {
        "layer": [
            {
                "data": {"values": [{"size": s, "classes": n} for s, n in sizes.items()]},
                "mark": {"type": "bar", "width": 4},
                "encoding": {
                    "x": {
                        "field": "size", "type": "quantitative",
                        "title": f"{what} in a class ({top} and more together)",
                        "scale": {"domain": [0, top + 2], "nice": False, "padding": 0},
                        "axis": {"grid": False},
                    },
                    "y": {"field": "classes", "type": "quantitative", "title": "classes"},
                },
            },
            {
                "data": {"values": [{"k": published.k - 0.5}]},
                "mark": {"type": "rule", "color": LIMIT, "strokeDash": [5, 3], "strokeWidth": 2},
                "encoding": {"x": {"field": "k", "type": "quantitative"}},
            },
        ],
        "width": 300,
        "height": 150,
    }  # fmt: skip
    total = sum(published.class_sizes.values())
    if published.are_people:
        words = (
            f"The smallest of {total:,} classes has {smallest:,} people; the dashed line is the "
            f"limit, {published.k}."
        )
    else:
        words = (
            f"{total:,} classes; the smallest has {smallest:,} rows. How many people each has is "
            "counted by the audit (`stedi page --audit`)."
        )
    return chart(
        f"classes-{published.contract.name}",
        f"Classes by number of {what}",
        words,
        spec,
        (f"{what} in a class", "classes"),
        ((f"{s:,}" if s < top else f"{top} and more", f"{n:,}") for s, n in sizes.items()),
    )


def distributions(published: PublishedFacts) -> Iterator[Chart]:
    """How the values of each published column are spread, before and after, over each other."""
    for one in published.distributions:
        series = {"as published": (one.after, KEPT)}
        if one.before is not None:
            series = {"before": (one.before, LOST), **series}
        values = [
            {
                "from": float(low), "to": float(high), "what": what,
                "share": float(n / max(counts.sum(), 1)),
            }
            for what, (counts, _) in series.items()
            for low, high, n in zip(one.edges[:-1], one.edges[1:], counts, strict=True)
        ]  # fmt: skip
        spec = {
            "data": {"values": values},
            "width": 260,
            "height": 110,
            "mark": {"type": "bar", "fillOpacity": 0.6, "binSpacing": 0},
            "encoding": {
                "x": {
                    "field": "from", "type": "quantitative", "title": one.column,
                    "bin": "binned", "axis": {"grid": False, "tickCount": 5},
                    "scale": {"zero": False, "nice": False},
                },
                "x2": {"field": "to"},
                "y": {
                    "field": "share", "type": "quantitative", "title": None, "stack": None,
                    "axis": {"format": "%", "tickCount": 3},
                },
                "color": {
                    "field": "what", "type": "nominal",
                    "scale": {"domain": [*series], "range": [c for _, c in series.values()]},
                },
            },
        }  # fmt: skip
        yield chart(
            f"values-{published.contract.name}-{one.column}",
            one.column,
            _spread_words(one),
            spec,
            ("from", "to", *series),
            _bins(one, [counts for counts, _ in series.values()]),
        )


def _bins(one: Distribution, counted: Sequence[Any]) -> Iterator[tuple[str, ...]]:
    for n, (low, high) in enumerate(zip(one.edges[:-1], one.edges[1:], strict=True)):
        shares = (counts[n] / max(counts.sum(), 1) for counts in counted)
        yield (f"{low:.4g}", f"{high:.4g}", *(f"{share:.1%}" for share in shares))


def _spread_words(one: Distribution) -> str:
    middles = (one.edges[:-1] + one.edges[1:]) / 2
    total = one.after.sum()
    half = float(middles[min(int((one.after.cumsum() < total / 2).sum()), len(middles) - 1)])
    words = (
        f"Published values go from {one.edges[0]:.4g} to {one.edges[-1]:.4g}; half of the rows are "
        f"below about {half:.4g}."
    )
    if one.before is None:
        return words
    return (
        f"{words} Each published value is the middle of a range, so it stands for all of its "
        "neighbours: bars as published are high there, and low between. Values beyond the ends, as "
        "they were before, count in the outermost bars."
    )


def attacks(published: PublishedFacts) -> Chart | None:
    """How far each attack of the audit gets, its interval, and its limit."""
    audit = published.audit
    found = {n: a for n, a in audit.attacks.items() if a.worst is not None} if audit else {}
    if not found:
        return None
    values = [
        {
            "attack": name,
            "worst": a.worst,
            "low": a.interval[0] if a.interval else a.worst,
            "high": a.interval[1] if a.interval else a.worst,
            "limit": a.limit,
            "baseline": a.baseline,
        }
        for name, a in found.items()
    ]
    y = {"field": "attack", "type": "nominal", "sort": None, "title": None}
    span = {"axis": {"tickCount": 5}, "title": "how far the attacker gets", "type": "quantitative"}
    spec = {
        "data": {"values": values},
        "width": 210,
        "height": {"step": 24},
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "rule", "color": KEPT, "strokeWidth": 3},
                "encoding": {"x": {"field": "low", **span}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "color": KEPT, "size": 80},
                "encoding": {"x": {"field": "worst", **span}},
            },
            {
                "transform": [{"filter": "isValid(datum.limit)"}],
                "mark": {"type": "tick", "color": LIMIT, "thickness": 3, "size": 20},
                "encoding": {"x": {"field": "limit", **span}},
            },
        ],
    }
    failed = [name for name, a in found.items() if a.ok is False]
    words = (
        f"Beyond its limit: {', '.join(failed)}."
        if failed
        else "No attack gets beyond its limit (the red tick); points without one are measured only."
    )
    rows = (_attack_row(name, a) for name, a in found.items())
    return chart(
        f"attacks-{published.contract.name}",
        "How far attackers get who have all raw data",
        words,
        spec,
        ("attack", "knows", "baseline", "worst", "interval", "limit", "result"),
        rows,
    )


def model(facts: Facts) -> Chart | None:
    """What a trained model is worth on people it hasn't seen, by what it was trained on."""
    if facts.model is None or not facts.model.models:
        return None
    found = [
        (name, what, measures.auc)
        for name, figures in facts.model.models.items()
        for what, measures in (("published", figures.published), ("raw", figures.raw))
    ]
    x = {"type": "quantitative", "title": "ROC AUC, with its 95 % interval"}
    y = {"field": "model", "type": "nominal", "sort": None, "title": None}
    span = {**x, "scale": {"zero": False, "domain": [0.4, 1]}}
    color = {
        "field": "what", "type": "nominal",
        "scale": {"domain": ["published", "raw"], "range": [KEPT, LOST]},
    }  # fmt: skip
    spec = {
        "data": {
            "values": [
                {"model": n, "what": w, "auc": a.value, "low": a.lower, "high": a.upper}
                for n, w, a in found
            ]
        },
        "width": 220,
        "height": {"step": 22},
        "encoding": {"y": y, "color": color, "yOffset": {"field": "what"}},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 3},
                "encoding": {"x": {"field": "low", **span}, "x2": {"field": "high"}},
            },
            {"mark": {"type": "point", "size": 70}, "encoding": {"x": {"field": "auc", **span}}},
        ],
    }
    return chart(
        "model",
        "What a model learns",
        f"{facts.model.verdict}",
        spec,
        ("model", "trained on", "ROC AUC", "lower", "upper"),
        ((n, w, *map(_figure, (a.value, a.lower, a.upper))) for n, w, a in found),
    )


def _attack_row(name: str, attack: AttackResult) -> tuple[str, ...]:
    interval = " to ".join(map(_figure, attack.interval)) if attack.interval else "counted exactly"
    result = {True: "holds", False: "FAILS", None: "measured only"}[attack.ok]
    return (
        name, attack.knows, _figure(attack.baseline), _figure(attack.worst), interval,
        _figure(attack.limit), result,
    )  # fmt: skip


def _figure(number: float | None) -> str:
    return "" if number is None else f"{number:.3f}"


def _when(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
