"""Starts Spark, or joins one that is running, without a word of its own on the terminal."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stedi.engines.spark.java import java_home
from stedi.errors import Unavailable, UsageError
from stedi.extras import to_install

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL = "local[*]"
_MASTER = re.compile(r"local(\[[\d*,]+\])?|spark://\S+|yarn|k8s://\S+")
_REACHED_WITHIN = 5.0
_COMPILED_LATER = (
    "-XX:Tier4InvocationThreshold=250000",
    "-XX:Tier4MinInvocationThreshold=30000",
    "-XX:Tier4CompileThreshold=750000",
    "-XX:Tier4BackEdgeThreshold=2000000",
)
"""For Spark on this machine: Java's optimising compiler waits fifty times as long.

It took a third of a run's CPU time over 30,000 customers (bench/NOTES.md).
"""
_FEW_CORES = 2
_CHOOSES_COLLECTOR = re.compile(r"-XX:[+-]Use\w+GC\b")
_PLACES_OF_OPTIONS = ("PYSPARK_SUBMIT_ARGS", "JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS")
_SESSION: Mapping[str, str] = {
    # The same meaning as Athena's: an overflow is an error, not another number.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    # Of two CTEs of one name the inner one is meant: Spark 3.5 would refuse them.
    "spark.sql.legacy.ctePrecedencePolicy": "CORRECTED",
    # Tables are broadcast that the engine knows to be small; what a query makes of others is,
    # where it turns out to be.
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.autoBroadcastJoinThreshold": str(32 << 20),
    "spark.sql.parquet.compression.codec": "zstd",
    "parquet.compression.codec.zstd.level": "1",
    "spark.sql.parquet.fieldId.write.enabled": "true",
    # A task's files appear when it has succeeded, and never when another did its work.
    "mapreduce.fileoutputcommitter.algorithm.version": "1",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}


def join_or_start(master: str | None) -> tuple[SparkSession, bool]:
    """A session with settings and views of its own, and whether Spark was started for it.

    A Spark that runs in this process already is joined (a notebook's, a Glue job's); otherwise one
    is started on `master`, by default all cores of this machine. Raises `Unavailable`.
    """
    try:
        import pyspark
        from pyspark import SparkContext
        from pyspark.sql import SparkSession
    except ImportError:
        raise Unavailable(f"Spark isn't installed; run: {to_install('spark')}") from None
    if master is not None and not _MASTER.fullmatch(master):
        raise UsageError(f"--master {master}: local[N], spark://HOST:PORT, yarn or k8s://…")
    running = SparkContext._active_spark_context
    if running is not None and master not in (None, running.master):
        raise UsageError(f"--master {master}: Spark runs here already, on {running.master}")
    is_ours = running is None
    builder = SparkSession.builder
    if is_ours and "PYSPARK_GATEWAY_PORT" not in os.environ:  # not under spark-submit
        master = master or LOCAL
        _refuse_unreachable(master)
        os.environ["JAVA_HOME"] = str(java_home(pyspark.__version__))
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = builder.master(master).appName("stedi")
        for key, value in _startup(master).items():
            builder = builder.config(key, value)
    elif is_ours:
        from pyspark import SparkConf

        SparkContext._ensure_initialized()  # so that SparkConf knows
        _refuse_unreachable(SparkConf().get("spark.master", LOCAL) or LOCAL)
    with _quiet():
        try:
            session = builder.getOrCreate().newSession()
        except Exception as error:
            raise Unavailable(
                f"Spark could not be started on {master or 'its master'} "
                f"({type(error).__name__}); STEDI_TRACEBACK=1 shows what it said"
            ) from None
    if not os.environ.get("STEDI_TRACEBACK"):
        _silence_pyspark()
        if is_ours:
            session.sparkContext.setLogLevel("OFF")
    for key, value in _SESSION.items():
        session.conf.set(key, value)
    return session, is_ours


def driver_bytes(session: SparkSession) -> int:
    """The most memory that the driver's JVM takes."""
    jvm: Any = session.sparkContext._jvm
    return int(jvm.java.lang.Runtime.getRuntime().maxMemory())


def runs_here(master: str) -> bool:
    """Whether executors are threads of the driver."""
    return master.startswith("local")


def _startup(master: str) -> Mapping[str, str]:
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.driver.maxResultSize": "0",
        "spark.executorEnv.PYTHONHASHSEED": "0",
    }
    if runs_here(master):
        settings |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": f"{_driver_memory() >> 20}m",
            "spark.driver.defaultJavaOptions": " ".join(_java_options()),
        }
    return settings


def _java_options() -> Iterator[str]:
    """How Java compiles, and collects garbage: on two cores more threads only take turns.

    What users set comes behind, and counts; of collectors there can be but one.
    """
    yield from _COMPILED_LATER
    if (os.cpu_count() or 1) <= _FEW_CORES and not _CHOOSES_COLLECTOR.search(_set_by_users()):
        yield "-XX:+UseSerialGC"


def _set_by_users() -> str:
    """What may have options of Java, in the words of its place."""
    texts = [os.environ.get(name, "") for name in _PLACES_OF_OPTIONS]
    conf = os.environ.get("SPARK_CONF_DIR") or f"{os.environ.get('SPARK_HOME', '')}/conf"
    with suppress(OSError, UnicodeError):
        texts.append(Path(conf, "spark-defaults.conf").read_text("utf-8"))
    return " ".join(texts)


def _driver_memory() -> int:
    """Bytes for a JVM that does all the work: a quarter of this machine's, 1 to 16 GB."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(max(machine // 4, 1 << 30), 16 << 30)


def _refuse_unreachable(master: str) -> None:
    """Spark itself would try for a minute."""
    if not master.startswith("spark://"):
        return
    for place in master.removeprefix("spark://").split(","):
        host, _, port = place.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=_REACHED_WITHIN):
                return
        except (OSError, ValueError):
            continue
    raise Unavailable(f"--master {master}: nobody answers there; is the master running?")


def _silence_pyspark() -> None:
    """Spark 4's Python half tells stderr of every error of a query, values of rows included."""
    try:
        from pyspark.logger import PySparkLogger
    except ImportError:  # before Spark 4
        return
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the JVM that is started meanwhile inherit no stderr: what it logs can hold values."""
    if os.environ.get("STEDI_TRACEBACK"):
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
