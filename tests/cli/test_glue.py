"""The five Glue jobs, run by spark-submit with the arguments that Glue gives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stedi import Lakehouse, UsageError
from stedi.cli.glue import job
from stedi.engines.spark.java import java_home
from stedi.simulate import simulate
from tests.support.contents import contents, figures, published_bytes
from tests.support.glue import IN_ORDER

JOBS = Path(__file__).parents[2] / "glue"
OF_GLUE = [
    "--JOB_NAME", "any", "--JOB_ID", "j_0", "--JOB_RUN_ID", "jr_0",
    "--job-bookmark-option", "job-bookmark-disable", "--TempDir", "s3://bucket/temporary/",
    "--additional-python-modules", "s3://bucket/stedi.whl", "--enable-metrics", "true",
]  # fmt: skip


def submit(
    script: str, root: Path, *options: str, master: str = "local[2]"
) -> subprocess.CompletedProcess[str]:
    import pyspark

    environment = {k: v for k, v in os.environ.items() if k != "PYSPARK_SUBMIT_ARGS"}
    environment |= {
        "JAVA_HOME": str(java_home(pyspark.__version__)),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    spark_submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = [str(spark_submit), "--master", master, str(JOBS / f"{script}.py"), *OF_GLUE]
    return subprocess.run(
        [*command, "--root", str(root), *options],
        capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture
def landing(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The starter data, or else as many simulated customers."""
    try:
        folder: Path = request.getfixturevalue("starter")
    except pytest.skip.Exception:
        folder = tmp_path / "simulated"
        simulate(folder, customers=956)
    return folder


@pytest.mark.slow
def test_five_jobs_in_the_order_of_the_workflow_do_what_one_run_does(
    landing: Path, tmp_path: Path
) -> None:
    roots = tmp_path / "glue", tmp_path / "run"
    for root in roots:
        shutil.copytree(landing, root)
    for script in IN_ORDER:
        done = submit(script, roots[0])
        assert done.returncode == 0, done.stderr[-2000:]
        assert " rows in " in done.stdout
    by_jobs, by_run = Lakehouse(roots[0]), Lakehouse(roots[1])
    by_run.run()
    assert by_jobs.status(verify=True).problems == []
    assert figures(by_jobs.status()) == figures(by_run.status())
    found, expected = contents(by_jobs), contents(by_run)
    del found["loads"], expected["loads"]  # numbered by run
    assert found == expected
    assert published_bytes(by_jobs) == published_bytes(by_run)
    assert by_jobs.run().built == ()


@pytest.mark.slow
def test_a_job_whose_input_is_not_there_yet_says_so(
    small_lakehouse: Lakehouse, spark: None, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["--root", str(small_lakehouse.root)]
    with pytest.raises(SystemExit, match="reads customer_trusted, which isn't there yet"):
        job("accelerometer_trusted", [*root, *OF_GLUE])
    job("customer_trusted", root)
    job("accelerometer_trusted", root)
    assert "accelerometer_trusted: 12 rows" in capsys.readouterr().out
    job("accelerometer_trusted", root)
    assert capsys.readouterr().out.endswith("accelerometer_trusted: up to date\n")
    tables = small_lakehouse.status().tables
    built = {name for name, table in tables.items() if table.rows is not None}
    assert built == {
        "customer_landing", "customer_trusted", "accelerometer_landing", "accelerometer_trusted"
    }  # fmt: skip


def test_a_job_whose_input_is_not_there_says_so_before_spark_is_looked_for(
    small_lakehouse: Lakehouse,
) -> None:
    with pytest.raises(UsageError, match="on Glue the job that builds it"):
        small_lakehouse.run(
            engine="spark", master="spark://127.0.0.1:1", only=["accelerometer_trusted"]
        )
    assert not (small_lakehouse.root / "accelerometer" / "typed").exists()


def test_spark_submit_to_a_master_that_is_not_there_is_told_in_a_line(
    small_lakehouse: Lakehouse,
) -> None:
    done = submit("customer_landing_to_trusted", small_lakehouse.root, master="spark://127.0.0.1:1")
    assert done.returncode == 1
    assert "stedi: --master spark://127.0.0.1:1: nobody answers there" in done.stdout + done.stderr
    assert "\tat " not in done.stderr


def test_a_misspelt_option_of_ours_is_not_taken_for_one_of_glues(
    small_lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        job("customer_trusted", ["--root", str(small_lakehouse.root), "--porfile", "strict"])
    assert "there is no --porfile; did you mean --profile?" in capsys.readouterr().err


def test_there_is_a_job_for_every_derived_table() -> None:
    tables = {path.read_text().split('job("')[1].split('"')[0] for path in JOBS.glob("*.py")}
    assert tables == set(Lakehouse().check().tables) - {f"{s}_landing" for s in
                                                 ("customer", "accelerometer", "step_trainer")}  # fmt: skip
    assert {path.stem for path in JOBS.glob("*.py")} == set(IN_ORDER)


def events(printed: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_a_job_logs_events_that_alarms_count(
    small_lakehouse: Lakehouse, spark: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line as the filters of `infra/stedi.template.json` look for it."""
    folder = small_lakehouse.root / "customer" / "landing"
    old = folder / "withdrawn.json.tmp"  # passed over, and told as a remark
    old.write_text("{}\n")
    job("customer_trusted", ["--root", str(small_lakehouse.root), *OF_GLUE])
    printed = capsys.readouterr().out
    told = {event["event"] for event in events(printed)}
    assert {"run.started", "run", "remark"} <= told
    assert '"event": "remark"' in printed
    assert "remark: " in printed


@pytest.mark.slow
def test_a_job_that_publishes_nothing_ends_with_1_and_says_so(
    small_lakehouse: Lakehouse, spark: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seven people: too few for the packaged contract."""
    for table in ("customer_trusted", "accelerometer_trusted", "customer_curated"):
        job(table, ["--root", str(small_lakehouse.root)])
    job("step_trainer_trusted", ["--root", str(small_lakehouse.root)])
    capsys.readouterr()
    with pytest.raises(SystemExit, match="An empty table is published instead") as ended:
        job("machine_learning_curated", ["--root", str(small_lakehouse.root), "--max-age", "1h"])
    assert str(ended.value).startswith("stedi: ")  # what ends a process so, ends it with 1
    printed = capsys.readouterr().out
    assert '"event": "publication.withheld"' in printed
    [withheld] = [e for e in events(printed) if e["event"] == "publication.withheld"]
    assert withheld["table"] == "machine_learning_curated"


@pytest.mark.slow
def test_a_job_reports_files_that_have_waited(
    small_lakehouse: Lakehouse, spark: None, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = next((small_lakehouse.root / "accelerometer" / "landing").glob("*.json"))
    os.utime(waiting, (1_000_000_000, 1_000_000_000))
    options = ["--root", str(small_lakehouse.root), "--max-age"]
    job("customer_trusted", [*options, "26h"])
    [late] = [e for e in events(capsys.readouterr().out) if e["event"] == "data.late"]
    assert str(late["since"]).startswith("2001-09-09")
    job("accelerometer_trusted", [*options, "26h"])
    assert "data.late" not in capsys.readouterr().out  # it is read, and what waits is new
