"""Events as OpenTelemetry knows them: a span a stage, and metrics.

Through OpenTelemetry's own interface, so that what an application has set up gets them. On the
command line `begin` sets it up, where its environment variables say where to send.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from opentelemetry import metrics, trace

Value = str | int | float | bool | None
METRICS = {
    "stedi.stage.seconds": ("histogram", "s", "How long a stage took"),
    "stedi.table.rows": ("gauge", "{row}", "Rows of a table"),
    "stedi.source.set_aside": ("gauge", "{record}", "Records that a run quarantined"),
    "stedi.staleness.seconds": ("gauge", "s", "Age of the oldest landing file not read yet"),
    "stedi.last_run.seconds": ("gauge", "s", "Time since a run last ended well"),
}
"""Each metric: what kind it is of, its unit, and what it means."""
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def is_asked_for(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's environment variables say where to send."""
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not is_off and any(environment.get(name) for name in _ENDPOINTS)


def begin() -> None:
    """Send to where the environment variables say; raises `ImportError` without the extra."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    own = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "stedi"}
    resource = Resource.create(own)
    tracing = TracerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracing)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    metrics.set_meter_provider(MeterProvider([reader], resource=resource))


def end() -> None:
    """Send what isn't sent yet; waits for it some seconds at most."""
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        shutdown = getattr(provider, "shutdown", None)
        if shutdown is not None:
            shutdown()


@contextmanager
def span(name: str) -> Iterator[None]:
    """A stage as a span. What an error says stays out of it: its class is enough."""
    tracer = trace.get_tracer("stedi")
    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False):
        yield


def describe(run: str | None, fields: Mapping[str, Value]) -> None:
    """Let the present span have what is known of a stage that is over."""
    now = trace.get_current_span()
    for key, value in {"run": run, **fields}.items():
        if value is not None:
            now.set_attribute(f"stedi.{key}", value)
    if "error" in fields:
        now.set_status(trace.Status(trace.StatusCode.ERROR, str(fields["error"])))


def count(name: str, fields: Mapping[str, Value]) -> None:
    """Let the metrics have what is known of a stage that is over."""
    place = {"stage": name, **{k: str(fields[k]) for k in ("table",) if k in fields}}
    measure("stedi.stage.seconds", _number(fields.get("seconds")), place)
    if "rows" in fields and "table" in fields:
        measure("stedi.table.rows", _number(fields["rows"]), {"table": str(fields["table"])})
    if "set_aside" in fields and "source" in fields:
        source = {"source": str(fields["source"])}
        measure("stedi.source.set_aside", _number(fields["set_aside"]), source)


def measure(name: str, value: float, attributes: Mapping[str, str]) -> None:
    """Let a metric have a value."""
    instrument = _instrument(name)
    if isinstance(instrument, metrics.Histogram):
        instrument.record(value, attributes)
    else:
        instrument.set(value, attributes)


@cache
def _instrument(name: str) -> metrics.Histogram | metrics._Gauge:
    kind, unit, text = METRICS[name]
    meter = metrics.get_meter("stedi")
    if kind == "histogram":
        return meter.create_histogram(name, unit, text)
    return meter.create_gauge(name, unit, text)


def _number(value: Value) -> float:
    return float(value or 0)
