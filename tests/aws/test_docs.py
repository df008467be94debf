"""docs/aws.md: its commands run, its files are there, its tables and figures are right."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from infra.settings import LOGGED, PROD
from stedi.cli.commands import app
from stedi.cli.glue import job
from stedi.lakehouse import Lakehouse
from tests.conftest import Land, rows
from tests.infra.rights import Account
from tests.infra.rows import CURATED, LANDING, PUBLISHED, ROWS, SYNTHETIC, TRUSTED, TYPED
from tests.support.awscli import RENAMED
from tests.support.cloud import REGION, running
from tests.support.glue import IN_ORDER

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "aws.md").read_text()
RUN = "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL))
SHOWN = "\n".join(re.findall(r"^\$ (.*)$", TEXT, re.MULTILINE))
SHELL = f"{RUN}\n{SHOWN}"
SCRIPTS = "\n".join(p.read_text() for p in sorted((ROOT / "infra").glob("*.sh")))
CUSTOM = ("s3 ", "logs tail", "configure ", "cloudformation deploy", "cloudformation wait")
"""What the command line does itself, and no operation of a service."""
OF_THE_COMMAND_LINE = {"query", "output", "region"}


def commands(text: str) -> list[str]:
    joined = text.replace("\\\n", " ")
    found = re.findall(r"(?:^|\$\(|\bmust_not |\bas(?:\.sh)? [\w\"${}/-]+ |\| )aws ((?:[^\n|)]|\)(?=['\"]))+)", joined, re.MULTILINE)  # fmt: skip
    return [one.split(" 2>")[0].split(" #")[0] for one in found if not one.startswith(CUSTOM)]


@pytest.mark.parametrize("command", commands(SHELL) + commands(SCRIPTS))
def test_a_command_and_its_options_are_those_of_the_service(command: str) -> None:
    """As the SDK's own description of it has them."""
    from botocore.session import get_session

    service, verb, *words = shlex.split(command)
    model = get_session().get_service_model({"s3api": "s3"}.get(service, service))
    names = {name.lower(): name for name in model.operation_names}
    operation = model.operation_model(names[verb.replace("-", "")])
    shape = operation.input_shape
    taken = {name.lower(): name for name in shape.members} if shape else {}
    given = set()
    for option in [word.removeprefix("--") for word in words if word[:2] == "--"]:
        name = RENAMED.get(option, option).replace("-", "")
        if option not in OF_THE_COMMAND_LINE:
            given.add(taken[name if name in taken else name.removeprefix("no")])
    assert {*(shape.required_members if shape else ())} <= given


def test_there_are_commands_to_check() -> None:
    assert len(commands(SHELL)) >= 6
    assert len(commands(SCRIPTS)) >= 10


def test_the_shell_reads_every_block() -> None:
    for text in (RUN, SHOWN, *(p.read_text() for p in (ROOT / "infra").glob("*.sh"))):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_nothing_of_the_lake_is_asked_as_an_administrator() -> None:
    """Whom its policy refuses; `ddl` prints statements alone."""
    asking = [line for line in SHELL.splitlines() if "$LAKE/" in line or "--athena" in line]
    asking += [line for line in SHELL.splitlines() if "--bucket $LAKE" in line]
    assert len(asking) >= 8
    for line in asking:
        assert line.strip().startswith(("infra/as.sh ", "stedi ddl ")), line


@pytest.mark.slow
def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    """Against moto, in one shell and the project's folder; the packed environment has stedi alone."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    aws = bin_ / "aws"
    aws.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.support.awscli "$@"\n')
    stedi = bin_ / "stedi"
    stedi.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stedi "$@"\n')
    for script in (aws, stedi):
        script.chmod(0o755)
    (tmp_path / "empty.lock").write_text("")
    page = RUN.replace("/tmp/", f"{tmp_path}/")
    # moto takes a Deny without its conditions; tests/infra/test_who_may.py decides with them.
    deployed = "".join(f"aws s3api delete-bucket-policy --bucket ${b}\n" for b in ("LAKE", "CODE"))
    lines = page.splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if "cloudformation deploy" in line) + 1
    with running() as cloud:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "".join([*lines[:at], deployed, *lines[at:]])],
            cwd=ROOT,
            env={
                **os.environ,
                **cloud.environment,
                "PATH": f"{bin_}:{os.environ['PATH']}",
                "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
                "PYTHON": sys.executable,
                "LOCK": str(tmp_path / "empty.lock"),
                "AWS_REGION": REGION,
                "STACKS": str(tmp_path / "stacks"),
            },
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        code = cloud.client("s3").list_objects_v2(Bucket=f"stedi-code-123456789012-{REGION}")
        assert {one["Key"] for one in code["Contents"]} == {
            "environment.tar.gz",
            *(f"{script}.py" for script in IN_ORDER),
        }
    assert re.search(r"machine_learning_curated +\d", done.stdout)  # `stedi run` noted rows


def test_what_the_jobs_need_is_locked_with_hashes() -> None:
    lock = (ROOT / "glue" / "requirements.lock").read_text()
    pinned = re.findall(r"^([a-z0-9-]+)==(\S+) \\$", lock, re.MULTILINE)
    names = {name for name, _ in pinned}
    assert len(names) == len(pinned) == len(re.findall("^[a-z]", lock, re.MULTILINE))
    assert lock.count("--hash=sha256:") >= len(pinned)
    assert {"boto3", "duckdb", "jinja2", "numpy", "pyarrow", "pyiceberg", "sqlglot"} <= names
    assert "vl-convert-python" in names  # with which a job can write the page
    others = (ROOT / "requirements-dev.lock").read_text()
    for name, version in pinned:
        assert re.search(rf"^{name}=={re.escape(version)}[ \\]", others, re.MULTILINE), name
    needed = re.findall(
        r"^([a-z0-9-]+)==\S+ \\$", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    assert {*needed, "boto3"} - {"flit-core"} <= names


def test_the_jobs_are_named_in_their_order() -> None:
    [order] = re.findall(r"They run in this order: ([\w,\s]+)\.", TEXT)
    assert order.replace(",", " ").split() == IN_ORDER


def test_the_table_of_roles_says_what_is_decided() -> None:
    """Each cell against the rows that tests/infra/test_who_may.py holds the template to."""
    table = re.findall(r"^\| (?:`stedi-([\w-]+)`|(administrators)) (\|.*)\|$", TEXT, re.MULTILINE)
    columns = [LANDING, [*TYPED, "_stedi/quarantine"], TRUSTED, [CURATED], [PUBLISHED], [SYNTHETIC]]
    said = {name or other: cells for name, other, cells in table if cells.count("|") == 8}
    assert {*said} == {
        *("job", "erasure", "ingest-SOURCE", "steward", "analyst"),
        *("data-scientist", "synthetic-reader", "administrators"),
    }
    words = {"read": "read", "read, write": "read add replace delete", "add, its source": "add"}
    for who, cells in said.items():
        parts = [cell.strip() for cell in cells.split("|")[1:]]
        row = ROWS[
            {"ingest-SOURCE": "ingest-customer", "administrators": "administrator"}.get(who, who)
        ]
        for places, cell in zip(columns, parts, strict=False):
            expected = "" if cell.startswith("columns") else words.get(cell, cell)
            rights = {row.get(place, "") for place in places}
            assert rights == {expected} or (who.startswith("ingest") and expected in rights), (
                who,
                places,
            )
        assert (parts[6] == "its own") == any(place.startswith("results") for place in row)
        assert row.get("page", "") == {"read, replace": "read add replace"}.get(parts[7], parts[7])


def test_the_table_of_alarms_names_them_all() -> None:
    names = re.findall(r"^\| `stedi-([A-Z]\w+)` \|", TEXT, re.MULTILINE)
    assert sorted(names) == sorted(["NoRun", *LOGGED])
    assert f"for {PROD.late_hours} hours" in TEXT
    assert f"{PROD.late_hours}" in TEXT.split("`stedi-Stale`")[1].split("\n")[0]


def test_counts_in_the_table_of_what_is_made() -> None:
    account = Account()
    roles = [p["RoleName"] for p in account.of_type("AWS::IAM::Role").values()]
    people = [name for name in roles if not name.endswith("-service") and "formation" not in name]
    for text, count in {
        "three KMS keys": len(account.of_type("AWS::KMS::Key")),
        "four Athena workgroups": len(account.of_type("AWS::Athena::WorkGroup")),
        "five Glue jobs": len(account.of_type("AWS::Glue::Job")),
        "nine roles": len(people),
        "six alarms": len(account.of_type("AWS::CloudWatch::Alarm")),
    }.items():
        assert text in TEXT
        word = text.split()[0]
        assert ["three", "four", "five", "six", "seven", "eight", "nine"].index(word) + 3 == count


def test_the_ddl_it_prints_is_of_the_lakehouse_that_the_jobs_have() -> None:
    statements = Lakehouse().ddl(location="s3://bucket/stedi")
    for source in ("customer", "accelerometer", "step_trainer"):
        assert f"'s3://bucket/stedi/{source}/landing/'" in statements[f"{source}_landing"]
    jobs = Account().of_type("AWS::Glue::Job").values()
    roots = {job["DefaultArguments"]["--root"] for job in jobs}
    assert roots == {f"s3://stedi-lake-123456789012-{REGION}/stedi"}


def test_stedis_commands_have_the_options_that_are_written() -> None:
    from typer.main import get_command

    verbs = get_command(app).commands  # type: ignore[attr-defined]
    written = re.findall(r"^(?: *infra/as.sh \S+ )?(stedi .*)$", SHELL, re.MULTILINE)
    written += re.findall(r"\bstedi (?:ingest|simulate|query) .*$", SCRIPTS, re.MULTILINE)
    assert len(written) >= 8
    for line in written:
        _, verb, *words = shlex.split(line.rstrip("\\ "))
        known = {name for parameter in verbs[verb].params for name in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known


def test_the_example_of_how_athena_reads_is_right_about_stedi(
    lakehouse: Lakehouse, land: Land
) -> None:
    [example] = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    land("accelerometer", example.encode())
    lakehouse.run()
    told = re.findall(r"^\| (\d) \| .* \| ([^|]*) \|$", TEXT, re.MULTILINE)
    loaded = [row[0] for row in rows(lakehouse, 'SELECT "timestamp" FROM accelerometer_landing')]
    aside = dict(rows(lakehouse, "SELECT line, reason FROM quarantine"))
    assert len(told) == len(example.splitlines())
    for line, said in told:
        stamps = [int(stamp) for stamp in re.findall(r"\d{2,}", said)]
        assert set(stamps) <= set(loaded)
        assert ("quarantined" in said) == (int(line) in aside)
        assert aside.get(int(line), "") in said
    assert len(loaded) == sum(len(re.findall(r"\d{2,}", said)) for _, said in told)


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(((?!https?:|#)[^)]*)\)", TEXT)
    for link in links:
        assert (ROOT / "docs" / link.split("#")[0]).exists(), link
    shown = {Path(link).name for link in links if link.startswith("aws/")}
    assert shown == {path.name for path in (ROOT / "docs" / "aws").iterdir()}


def test_what_it_costs_is_worked_out() -> None:
    costs = runpy.run_path(str(ROOT / "docs" / "costs.py"))
    assert costs["table"]() in TEXT
    scale = (ROOT / "docs" / "scale.md").read_text().split("\n## ")[0]
    spark = re.findall(r"^\| \| \| spark \| [\d.]+ \| ([\d.]+) \|", scale, re.MULTILINE)
    smallest, largest = costs["sizes"]()[0], costs["sizes"]()[-1]
    assert [smallest.cpu_seconds, largest.cpu_seconds] == [float(spark[0]), float(spark[-1])]
    start = 4 * smallest.cpu_seconds
    assert costs["seconds"](largest) == pytest.approx(
        5 * (90 + 15 + 2) + (largest.cpu_seconds + start) / (4 * 4 * 0.5)
    )
    assert costs["glue"](largest) == pytest.approx(30 * costs["seconds"](largest) / 3600 * 4 * 0.44)
    assert costs["storage"](largest) == pytest.approx(
        (largest.json_gb + 3 * largest.parquet_gb) * 0.023
    )
    assert costs["requests"]() == pytest.approx(30 * (1.5 * 0.005 + 15 * 0.0004))
    scanned = 30 * largest.json_gb * 1e9 + 1000 * largest.parquet_gb * 1e8
    assert costs["athena"](largest) == pytest.approx(scanned / 2**40 * 5, rel=0.01)
    account = Account()
    assert costs["KEYS"] == len(account.of_type("AWS::KMS::Key"))
    assert costs["ALARMS"] == len(account.of_type("AWS::CloudWatch::Alarm"))


def test_prices_are_named_beside_the_pages_they_are_from() -> None:
    costs = runpy.run_path(str(ROOT / "docs" / "costs.py"))
    prices = " ".join(TEXT.split("Prices are assumptions")[1].split("How the table")[0].split())
    for price in (costs["S3_GB_MONTH"], costs["S3_WRITE"] * 1e3, costs["S3_READ"] * 1e3):
        assert f"{price:.4f}".rstrip("0") in prices
    assert f"{costs['GLUE_DPU_HOUR']} a DPU-hour" in prices
    assert "1 a key, 0.40 a secret, 0.10 an alarm and 3 a dashboard" in prices
    assert len(re.findall(r"https://aws.amazon.com/[\w-]+/pricing/", prices)) == 6
    for assumed in (costs["START_SECONDS"], costs["COMPILE_SECONDS"], costs["PAGE_SECONDS"]):
        assert str(assumed) in TEXT.split("How the table is worked out")[1]


def test_what_a_matched_reading_takes_is_one_figure() -> None:
    scale = " ".join((ROOT / "docs" / "scale.md").read_text().split())
    assert "about 100 bytes a matched reading" in scale
    assert (
        "matched readings of machine_learning_curated are generalised in the driver's memory, about 100 bytes each"
        in " ".join(TEXT.split())
    )


def test_the_secret_comes_by_the_name_that_glue_lets_through(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("STEDI_SECRET")
    monkeypatch.setenv("CUSTOMER_STEDI_SECRET", "of the account, of at least thirty-two bytes")
    with pytest.raises(SystemExit):
        job("customer_trusted", ["--root", str(tmp_path / "nowhere")])
    assert os.environ["STEDI_SECRET"] == "of the account, of at least thirty-two bytes"


def test_a_secret_that_is_there_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUSTOMER_STEDI_SECRET", "of the account, of at least thirty-two bytes")
    with pytest.raises(SystemExit):
        job("customer_trusted", ["--root", str(tmp_path / "nowhere")])
    assert os.environ["STEDI_SECRET"] == "a secret of the tests, of at least thirty-two bytes"
