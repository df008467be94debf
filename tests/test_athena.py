"""Queries on Athena, against moto's server, and against scripted answers where moto has none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from athena_checks import checks

from stedi import Lakehouse, QueryError, Unavailable, athena
from stedi.declared import packaged, read_declarations
from stedi.lakehouse import DEFAULT_DATABASE
from tests.support.processes import STEDI, stedi

pytest.importorskip("boto3")

OUTPUT = "s3://results-of-queries/athena/"
COUNT: tuple[list[str], list[list[str | None]]] = (["bigint"], [["18"]])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def aws(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An AWS account with nothing in it but a bucket and a workgroup."""
    import boto3

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    tell(server, "reset")
    boto3.client("s3").create_bucket(Bucket="results-of-queries")
    boto3.client("athena").create_work_group(Name="stedi")
    return server


def answer(server: str, types: list[str], rows: list[list[str | None]], *names: str) -> None:
    """Let moto's Athena give these rows to the next query."""
    names = names or tuple(f"c{number}" for number in range(len(types)))
    data: list[list[str | None]] = [[*names], *rows]
    result = {
        "rows": [
            {"Data": [{} if text is None else {"VarCharValue": text} for text in row]}
            for row in data
        ],
        "column_info": [
            {"Name": name, "Label": name, "Type": type_, "Precision": 5, "Scale": 2}
            for name, type_ in zip(names, types, strict=True)
        ],
    }
    tell(server, "static/athena/query-results", results=[result])


def tell(server: str, what: str, **body: Any) -> None:
    """Use moto's API to moto itself."""
    request = Request(
        f"{server}/moto-api/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urlopen(request).close()


def executions() -> list[dict[str, Any]]:
    import boto3

    client = boto3.client("athena")
    return [
        client.get_query_execution(QueryExecutionId=one)["QueryExecution"]
        for one in client.list_query_executions()["QueryExecutionIds"]
    ]


def test_a_count_comes_back_and_the_query_ran_where_it_was_told_to(aws: str) -> None:
    answer(aws, *COUNT)
    result = Lakehouse("nowhere").query_athena(
        "SELECT COUNT(*) FROM customer_landing", workgroup="stedi", output_location=OUTPUT
    )
    assert result.to_arrow().to_pylist() == [{"c0": 18}]
    [execution] = executions()
    assert execution["Query"] == "SELECT COUNT(*) FROM customer_landing"
    assert execution["QueryExecutionContext"] == {"Database": "stedi"}
    assert execution["WorkGroup"] == "stedi"
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(OUTPUT)


def test_values_have_the_types_that_athena_tells(aws: str) -> None:
    types: dict[str, tuple[str, Any, pa.DataType]] = {
        "boolean": ("true", True, pa.bool_()),
        "tinyint": ("-1", -1, pa.int8()),
        "smallint": ("300", 300, pa.int16()),
        "integer": ("70000", 70000, pa.int32()),
        "bigint": ("9223372036854775807", 2**63 - 1, pa.int64()),
        "float": ("1.5", 1.5, pa.float32()),
        "double": ("-Infinity", float("-inf"), pa.float64()),
        "varchar": ("", "", pa.string()),
        "array": ("[1, 2]", "[1, 2]", pa.string()),
        "varbinary": ("68 69", b"hi", pa.binary()),
    }
    more = {
        "date": ("2026-11-25", "2026-11-25"),
        "timestamp": ("2026-11-25 09:44:00.123456", "2026-11-25 09:44:00.123456"),
        "decimal": ("123.45", "123.45"),
    }
    names = [*types, *more]
    given: list[str | None] = [one[0] for one in (*types.values(), *more.values())]
    answer(aws, names, [given, [None] * len(names)], *names)
    table = Lakehouse().query_athena("SELECT 1", output_location=OUTPUT).to_arrow()
    first, second = table.to_pylist()
    for name, (_, value, type_) in types.items():
        assert (first[name], table.schema.field(name).type) == (value, type_)
    assert {name: str(first[name]) for name in more} == {name: one[1] for name, one in more.items()}
    assert table.schema.field("decimal").type == pa.decimal128(5, 2)
    assert set(second.values()) == {None}


def test_no_rows_keep_their_columns(aws: str) -> None:
    answer(aws, ["bigint", "varchar"], [], "n", "text")
    table = Lakehouse().query_athena("SELECT 1", output_location=OUTPUT).to_arrow()
    assert (table.num_rows, table.column_names) == (0, ["n", "text"])


@pytest.mark.parametrize("format_", ["table", "csv", "json", "parquet"])
def test_the_command_prints_rows_in_every_format_and_the_cost_beside_them(
    aws: str, tmp_path: Path, format_: str
) -> None:
    answer(aws, ["double", "varchar"], [["1.5", "one"], ["2.5", None]], "x", "t")
    where = ("--output", str(tmp_path / "out")) if format_ == "parquet" else ()
    done = subprocess.run(
        [STEDI, "query", "--athena", "SELECT x, t FROM loads",
         "--output-location", OUTPUT, "--format", format_, *where],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    cost, _, wrote = done.stderr.partition("\n")
    assert cost == "Athena scanned 0 bytes, for about 0.00005 US$"
    assert wrote.startswith("Wrote 2 rows to " if where else "") and bool(wrote) == bool(where)
    if format_ == "json":
        assert json.loads(done.stdout) == [{"x": 1.5, "t": "one"}, {"x": 2.5, "t": None}]
    elif format_ == "csv":
        assert done.stdout.splitlines() == ['"x","t"', '1.5,"one"', "2.5,"]
    elif format_ == "parquet":
        assert pq.read_table(tmp_path / "out").column("x").to_pylist() == [1.5, 2.5]
    else:
        assert "one" in done.stdout


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE customer_trusted",
        "INSERT INTO customer_trusted SELECT * FROM customer_trusted",
        "CREATE TABLE t AS SELECT 1 AS n",
        "UNLOAD (SELECT 1) TO 's3://elsewhere/' WITH (format = 'PARQUET')",
        "SELECT * FROM other.secrets",
        "SELECT * FROM other_table",
        "SELECT 1; DROP TABLE customer_trusted",
    ],
)
def test_only_what_reads_declared_tables_is_sent(aws: str, sql: str) -> None:
    with pytest.raises(QueryError):
        Lakehouse().query_athena(sql, output_location=OUTPUT)
    assert executions() == []


def test_what_was_checked_is_what_is_sent(aws: str) -> None:
    answer(aws, *COUNT)
    sql = 'SELECT /* DROP */ "user" FROM accelerometer_landing -- DROP'
    Lakehouse().query_athena(sql, output_location=OUTPUT)
    assert [one["Query"] for one in executions()] == ['SELECT "user" FROM accelerometer_landing']


def test_typed_landing_tables_and_earlier_snapshots_can_be_read(aws: str) -> None:
    for sql in (
        "SELECT COUNT(*) FROM customer_typed",
        "SELECT 1 FROM customer_trusted FOR TIMESTAMP AS OF TIMESTAMP '2026-11-01 00:00:00 UTC'",
    ):
        answer(aws, *COUNT)
        assert Lakehouse().query_athena(sql, output_location=OUTPUT).to_arrow().num_rows == 1


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        (
            "SHOW TABLES LIKE 'customer*'",
            "SELECT table_name AS tab_name FROM (SELECT * FROM information_schema.tables "
            "WHERE table_schema = 'stedi') AS tables WHERE table_schema = 'stedi' AND "
            "REGEXP_LIKE(table_name, '^(customer.*)\\z') ORDER BY table_name",
        ),
        (
            "SHOW COLUMNS IN customer_trusted",
            "SELECT column_name AS field FROM (SELECT * FROM information_schema.columns WHERE "
            "table_schema = 'stedi') AS columns WHERE table_schema = 'stedi' AND "
            "table_name = 'customer_trusted' ORDER BY ordinal_position",
        ),
        ("SHOW DATABASES", "SELECT 'stedi' AS database_name"),
        (
            "SELECT t.table_name FROM information_schema.tables t",
            "SELECT t.table_name FROM (SELECT * FROM information_schema.tables WHERE "
            "table_schema = 'stedi') AS t",
        ),
        ("SELECT email FROM stedi.customer_trusted", "SELECT email FROM customer_trusted"),
        (
            'SELECT COUNT(*) FROM "customer_trusted$snapshots"',
            'SELECT COUNT(*) FROM "customer_trusted$snapshots"',
        ),
    ],
)
def test_what_lists_tables_is_sent_as_what_it_stands_for(aws: str, sql: str, sent: str) -> None:
    answer(aws, *COUNT)
    Lakehouse("nowhere").query_athena(sql, output_location=OUTPUT)
    assert [one["Query"] for one in executions()] == [sent]


def test_a_table_is_described_in_athenas_words(aws: str) -> None:
    answer(aws, ["varchar"] * 3, [["email", "string", None]], "col_name", "data_type", "comment")
    result = Lakehouse("nowhere").query_athena("DESCRIBE customer_typed", output_location=OUTPUT)
    assert result.to_arrow().to_pylist() == [
        {"col_name": "email", "data_type": "string", "comment": None}
    ]
    [execution] = executions()
    assert "AND table_name = 'customer_typed' ORDER BY ordinal_position" in execution["Query"]


def test_parameters_are_sent_as_literals(aws: str) -> None:
    answer(aws, *COUNT)
    sql = "SELECT COUNT(*) FROM customer_trusted WHERE email = ? AND lastupdatedate > ?"
    stedi("query", "--athena", sql, "--param", "o'neill@example.com", "--param", "-7",
          "--output-location", OUTPUT)  # fmt: skip
    assert [one["Query"] for one in executions()] == [
        "SELECT COUNT(*) FROM customer_trusted WHERE email = 'o''neill@example.com' "
        "AND lastupdatedate > (-7)"
    ]
    with pytest.raises(QueryError, match="no value for parameter 2"):
        Lakehouse("nowhere").query_athena(sql, output_location=OUTPUT, parameters=["a"])


def test_declared_queries_survive_being_read_and_written_again() -> None:
    declared = read_declarations(packaged())
    texts = [check.sql for zone in checks(declared, DEFAULT_DATABASE).values() for check in zone]
    texts += [rule.query for one in declared.contracts.values() for rule in one.rules]
    texts += [transform.tree.sql("athena") for transform in declared.transforms.values()]
    for text in texts:
        tree = sqlglot.parse_one(text, dialect="athena")
        again = sqlglot.parse_one(tree.sql("athena", comments=False), dialect="athena")
        assert again == tree


def test_a_workgroup_that_is_not_there_is_told(aws: str) -> None:
    output = stedi("query", "--athena", "SELECT 1", "--workgroup", "nobodys", check=2)
    assert "Athena refuses the query: WorkGroup" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--workgroup", "stedi"), "need --athena"),
        (("--output-location", OUTPUT), "need --athena"),
        (("--athena", "--as-of", "2026-01-01"), "FOR TIMESTAMP AS OF"),
        (("--athena", "--output-location", "results"), "s3://bucket/prefix/"),
        (("--athena", "--output", OUTPUT), "--output-location is on S3"),
        (("--athena", "--format", "parquet"), "--output FILE"),
    ],
)
def test_options_that_do_not_fit_are_told(arguments: tuple[str, ...], said: str) -> None:
    assert said in " ".join(stedi("query", "SELECT 1", *arguments, check=2).split())


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("boto3", "botocore", "botocore.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unavailable, match=r"pip install .*\[aws\]"):
        Lakehouse().query_athena("SELECT 1")


def test_without_a_region_it_is_said_how_to_set_one(
    aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(Unavailable, match=r"specify a region.*aws configure"):
        Lakehouse().query_athena("SELECT 1")


def test_nobody_at_the_other_end_is_told(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unavailable, match="can't be reached"):
        Lakehouse().query_athena("SELECT 1")


class Scripted:
    """Athena's client with answers that moto doesn't give, through botocore's own stubber."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import boto3
        from botocore.stub import Stubber

        self.client = boto3.client("athena", region_name="us-east-1")
        self.stub = Stubber(self.client)
        self.stub.activate()
        self.stub.add_response("start_query_execution", {"QueryExecutionId": "q"})
        monkeypatch.setattr(athena, "_client", lambda: self.client)
        monkeypatch.setattr(athena, "sleep", self.sleep)
        self.waits: list[float] = []
        self.interrupts = False

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self.interrupts:
            raise KeyboardInterrupt

    def state(self, state: str, reason: str = "", scanned: int = 0) -> None:
        self.stub.add_response(
            "get_query_execution",
            {
                "QueryExecution": {
                    "Status": {"State": state, "StateChangeReason": reason},
                    "Statistics": {"DataScannedInBytes": scanned},
                }
            },
        )

    def page(self, rows: list[str], token: str | None = None) -> None:
        result: dict[str, Any] = {
            "ResultSet": {
                "Rows": [{"Data": [{"VarCharValue": text}]} for text in rows],
                "ResultSetMetadata": {"ColumnInfo": [{"Name": "n", "Type": "bigint"}]},
            }
        }
        self.stub.add_response(
            "get_query_results", {**result, "NextToken": token} if token else result
        )


@pytest.fixture
def scripted(aws: str, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch)


def ask() -> athena.AthenaResult:
    return Lakehouse().query_athena("SELECT n FROM loads")


def test_results_come_page_by_page_and_only_the_first_has_a_head(scripted: Scripted) -> None:
    scripted.state("SUCCEEDED")
    scripted.page(["n", "1", "2"], token="more")
    scripted.page(["3"], token="most")
    scripted.page(["4", "5"])
    batches = iter(ask())
    assert next(batches).column(0).to_pylist() == [1, 2]
    assert [batch.column(0).to_pylist() for batch in batches] == [[3], [4, 5]]
    scripted.stub.assert_no_pending_responses()


def test_it_waits_longer_each_time_up_to_two_seconds(scripted: Scripted) -> None:
    for _ in range(12):
        scripted.state("RUNNING")
    scripted.state("SUCCEEDED", scanned=123)
    scripted.page(["n"])
    assert ask().bytes_scanned == 123
    assert scripted.waits[:3] == pytest.approx([0.1, 0.15, 0.225])
    assert scripted.waits == sorted(scripted.waits)
    assert scripted.waits[-1] == 2.0


def test_ctrl_c_stops_the_query_on_athena(scripted: Scripted) -> None:
    scripted.state("RUNNING")
    scripted.stub.add_response("stop_query_execution", {}, {"QueryExecutionId": "q"})
    scripted.interrupts = True
    with pytest.raises(KeyboardInterrupt):
        ask()
    scripted.stub.assert_no_pending_responses()


def test_a_process_that_is_interrupted_takes_its_query_along(aws: str) -> None:
    never = {"progression": "manual", "times": 10_000}
    tell(aws, "state-manager/set-transition", model_name="athena::execution", transition=never)
    try:
        process = subprocess.Popen(
            [STEDI, "query", "--athena", "SELECT 1", "--output-location", OUTPUT],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        give_up = time.monotonic() + 60
        while not executions() and time.monotonic() < give_up:
            time.sleep(0.1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        tell(aws, "state-manager/unset-transition", model_name="athena::execution")
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert [one["Status"]["State"] for one in executions()] == ["CANCELLED"]


@pytest.mark.parametrize(
    ("reason", "kind", "said"),
    [
        ("SYNTAX_ERROR: line 1:8: Column 'm' cannot be resolved", QueryError, "Column 'm' cannot"),
        (
            "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.stedi.loads' does not exist",
            QueryError,
            "stedi.loads",
        ),
        (
            "Insufficient permissions to execute the query. User: arn:aws:sts::1:assumed-role/r/ann "
            "is not authorized to perform: glue:GetTable on resource: "
            "arn:aws:glue:us-east-1:1:table/stedi/loads because no policy allows it",
            Unavailable,
            "no right to glue:GetTable on arn:aws:glue:us-east-1:1:table/stedi/loads;",
        ),
        (
            "Permission denied on S3 path: s3://b/customer/trusted/data/1.parquet",
            Unavailable,
            "no right to s3:GetObject on s3://b/customer/trusted/data/1.parquet;",
        ),
        (
            "Access denied when writing output to url: s3://b/results/q.csv . Please ensure",
            Unavailable,
            "no right to s3:PutObject on s3://b/results/q.csv;",
        ),
        (
            "INVALID_CAST_ARGUMENT: Cannot cast 'ann@example.com' to BIGINT",
            QueryError,
            "INVALID_CAST_ARGUMENT",
        ),
        ("HIVE_BAD_DATA: Error parsing field value 'ann' for field 3", QueryError, "HIVE_BAD_DATA"),
        ("", QueryError, "no reason known"),
    ],
)
def test_a_failed_query_is_told_without_values_of_rows(
    scripted: Scripted, reason: str, kind: type[Exception], said: str
) -> None:
    scripted.state("FAILED", reason)
    with pytest.raises(kind) as caught:
        ask()
    assert said in str(caught.value)
    assert "ann" not in str(caught.value).replace("cannot", "")


def test_a_cancelled_query_is_told(scripted: Scripted) -> None:
    scripted.state("CANCELLED")
    with pytest.raises(QueryError, match="cancelled"):
        ask()


@pytest.mark.parametrize(
    ("code", "message", "kind", "said"),
    [
        (
            "AccessDeniedException",
            "User: arn:aws:iam::1:user/ann is not authorized to perform: "
            "athena:GetQueryExecution on resource: arn:aws:athena:us-east-1:1:workgroup/stedi",
            Unavailable,
            "no right to athena:GetQueryExecution on arn:aws:athena:us-east-1:1:workgroup/stedi;",
        ),
        ("AccessDeniedException", "", Unavailable, "no right to athena:GetQueryExecution;"),
        ("ThrottlingException", "Rate exceeded", Unavailable, "ThrottlingException"),
        ("InvalidRequestException", "No output location", QueryError, "No output location"),
    ],
)
def test_what_the_service_refuses_names_action_and_resource(
    scripted: Scripted, code: str, message: str, kind: type[Exception], said: str
) -> None:
    scripted.stub.add_client_error("get_query_execution", code, message)
    with pytest.raises(kind) as caught:
        ask()
    assert said in str(caught.value)
    assert "user/ann" not in str(caught.value)


@pytest.mark.parametrize(
    ("scanned", "dollars"),
    [
        (0, 10 * 5 / 2**20),
        (10 * 2**20, 10 * 5 / 2**20),
        (10 * 2**20 + 1, 11 * 5 / 2**20),
        (2**40, 5.0),
        (3 * 2**40, 15.0),
    ],
)
def test_the_cost_is_that_of_begun_megabytes_ten_at_least(scanned: int, dollars: float) -> None:
    assert athena.cost(scanned) == pytest.approx(dollars)
