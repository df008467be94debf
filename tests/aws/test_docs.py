"""docs/aws.md: its commands exist, its files are there, its figures are worked out."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
from pathlib import Path

import pytest

from stedi.cli.commands import app
from stedi.cli.glue import job
from stedi.lakehouse import Lakehouse
from tests.conftest import Land, rows
from tests.support.glue import IN_ORDER

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "aws.md").read_text()
SHELL = "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL))
COMMANDS = re.findall(r"aws (?!s3 )[a-z0-9]+ [a-z][a-z0-9-]+ .*?(?=\)$|;|$)", SHELL, re.MULTILINE)
OF_THE_COMMAND_LINE = {"query", "output", "region"}


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_and_its_options_are_those_of_the_service(command: str) -> None:
    """As the SDK's own description of it has them."""
    from botocore.session import get_session

    _, service, verb, *words = shlex.split(command)
    model = get_session().get_service_model({"s3api": "s3"}.get(service, service))
    names = {name.lower(): name for name in model.operation_names}
    operation = model.operation_model(names[camel(verb).lower()])
    taken = {name.lower(): name for name in operation.input_shape.members}
    options = [word.removeprefix("--").removeprefix("no-") for word in words if word[:2] == "--"]
    given = {
        taken[option.replace("-", "")] for option in options if option not in OF_THE_COMMAND_LINE
    }
    assert set(operation.input_shape.required_members) <= given


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) > 25


def test_the_shell_reads_every_block(tmp_path: Path) -> None:
    subprocess.run(["bash", "-n"], input=SHELL, text=True, check=True)


def test_the_modules_are_those_that_are_pinned_for_glue() -> None:
    [line] = re.findall(r"^MODULES=\$\((.*)\)$", SHELL, re.MULTILINE)
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = done.stdout.strip().split(",")
    names = [module.split("==")[0] for module in modules]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][^;\s]*", module) for module in modules)
    assert len(set(names)) == len(names)
    assert {"duckdb", "numpy", "pyarrow", "pyiceberg", "sqlglot"} <= set(names)
    pinned = (ROOT / "requirements-dev.lock").read_text()
    for module in modules:
        assert re.search(rf"^{re.escape(module)}[ \\]", pinned, re.MULTILINE), module
    needed = re.findall(
        r"^([a-z0-9-]+)==\S+ \\$", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    assert {*needed, "boto3"} - {"flit-core"} <= set(names)


def test_the_jobs_stand_in_their_order() -> None:
    loops = re.findall(r"for JOB in (.*); do", SHELL)
    assert [loop.split() for loop in loops] == [IN_ORDER] * 3
    triggered = re.findall(r"--actions JobName=stedi-(\w+)", SHELL)
    assert triggered == IN_ORDER
    assert re.findall(r"EQUALS,JobName=stedi-(\w+),", SHELL) == IN_ORDER[:-1]
    assert {path.stem for path in (ROOT / "glue").glob("*.py")} == set(IN_ORDER)


def test_the_ddl_it_prints_is_of_the_root_that_the_jobs_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    statements = Lakehouse().ddl(location="s3://bucket/stedi")
    assert '"--root": "s3://$BUCKET/stedi"' in SHELL
    for source in ("customer", "accelerometer", "step_trainer"):
        assert f"s3://$BUCKET/stedi/{source}/landing/" in SHELL
        assert f"'s3://bucket/stedi/{source}/landing/'" in statements[f"{source}_landing"]


def test_stedis_commands_have_the_options_that_are_written() -> None:
    from typer.main import get_command

    commands = get_command(app).commands  # type: ignore[attr-defined]
    written = [shlex.split(line) for line in re.findall(r"^stedi .*$", SHELL, re.MULTILINE)]
    assert len(written) == 3
    for _, verb, *words in written:
        known = {name for parameter in commands[verb].params for name in parameter.opts}
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
        assert ("set aside" in said) == (int(line) in aside)
        assert aside.get(int(line), "") in said
    assert len(loaded) == sum(len(re.findall(r"\d{2,}", said)) for _, said in told)


def test_links_lead_to_files() -> None:
    for link in re.findall(r"\]\(([^)h#][^)]*)\)", TEXT):
        assert (ROOT / "docs" / link).exists(), link


def test_what_it_costs_is_worked_out() -> None:
    costs = runpy.run_path(str(ROOT / "docs" / "costs.py"))
    assert costs["table"]() in TEXT
    largest = costs["SIZES"][-1]
    assert costs["seconds"](largest) == pytest.approx(5 * 90 + 322 / 8)
    assert costs["glue"](largest) == pytest.approx(30 * 490.25 / 3600 * 4 * 0.44)
    assert costs["storage"](largest) == pytest.approx((11.2 + 3 * 0.48) * 0.023)
    assert costs["requests"]() == pytest.approx(30 * (1.5 * 0.005 + 15 * 0.0004))
    scanned = 30 * 11.2e9 + 1000 * 48e6
    assert costs["athena"](largest) == pytest.approx(scanned / 2**40 * 5, rel=0.01)


def test_prices_are_named_beside_the_pages_they_are_from() -> None:
    costs = runpy.run_path(str(ROOT / "docs" / "costs.py"))
    prices = TEXT.split("Prices are assumptions")[1].split("The arithmetic")[0]
    for price in (costs["S3_GB_MONTH"], costs["S3_WRITE"] * 1e3, costs["S3_READ"] * 1e3):
        assert f"{price:.4f}".rstrip("0") in prices
    assert f"{costs['GLUE_DPU_HOUR']} a DPU-hour" in prices
    assert len(re.findall(r"https://aws.amazon.com/\w+/pricing/", prices)) == 3


def test_the_secret_comes_by_the_name_that_glue_lets_through(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "CUSTOMER_STEDI_SECRET=$SECRET" in SHELL
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
