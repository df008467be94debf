"""What a month on AWS costs, from prices that are written here and what docs/scale.md measured.

python docs/costs.py    prints the table that docs/aws.md shows
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stedi.athena import cost

# US dollars in us-east-1, November 2026, as AWS's price pages give them; yours may differ.
S3_GB_MONTH = 0.023  # https://aws.amazon.com/s3/pricing/, S3 Standard, the first 50 TB
S3_WRITE, S3_READ = 0.005 / 1_000, 0.0004 / 1_000  # the same page: PUT and LIST, GET
GLUE_DPU_HOUR = 0.44  # https://aws.amazon.com/glue/pricing/, by the second
KMS_KEY_MONTH = 1.0  # https://aws.amazon.com/kms/pricing/, each key
SECRET_MONTH = 0.40  # https://aws.amazon.com/secrets-manager/pricing/
ALARM_MONTH = 0.10  # https://aws.amazon.com/cloudwatch/pricing/, each; a dashboard is 3

DAYS = 30
JOBS = 5
START_SECONDS = 90  # of a job, until its script begins: assumed
COMPILE_SECONDS = 15  # of a job's first reading and publishing, on a fresh worker: assumed
PAGE_SECONDS = 2  # of a job's page; 1.8 s of CPU with a thousand customers
USED = 0.5  # share of the workers' cores that is kept busy: assumed
CORES_PER_DPU = 4
WRITES_A_DAY, READS_A_DAY = 1_500, 15_000  # requests of five jobs: assumed
SNAPSHOTS = 3  # the tables, and what earlier snapshots have of a week: assumed
QUERIES = 1_000  # a month, each over a tenth of all tables: assumed
KEYS, ALARMS = 3, 6  # of infra/stedi.template.json
GB = 1e9
SCALE = Path(__file__).with_name("scale.md")
WORKERS = {1_000: ("2 G.1X", 2), 100_000: ("2 G.1X", 2), 1_000_000: ("2 G.2X", 4)}
"""By customers: the workers, and how many DPUs these are."""


@dataclass(frozen=True)
class Size:
    """A landing zone as docs/scale.md measured it: Spark's CPU seconds, DuckDB's Parquet."""

    customers: int
    json_gb: float
    parquet_gb: float
    cpu_seconds: float

    @property
    def workers(self) -> str:
        """How many workers of which kind."""
        return WORKERS[self.customers][0]

    @property
    def dpus(self) -> int:
        """How many DPUs these are."""
        return WORKERS[self.customers][1]


@cache
def sizes() -> tuple[Size, ...]:
    """The sizes that have workers here, as the first table of docs/scale.md has them."""
    found, duckdb, named = list[Size](), list[str](), (0, 0.0)
    for line in SCALE.read_text().split("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) < 8 or cells[2] not in ("duckdb", "spark"):
            continue
        if cells[0]:
            named = int(cells[0].replace(",", "")), _gb(cells[1])
        if cells[2] == "duckdb":
            duckdb = cells
        elif named[0] in WORKERS:
            found.append(Size(*named, _gb(duckdb[7]), float(cells[4])))
    return tuple(found)


def _gb(text: str) -> float:
    match = re.fullmatch(r"([\d.]+) (MB|GB)", text)
    assert match, text
    return float(match[1]) / (1_000 if match[2] == "MB" else 1)


def storage(size: Size) -> float:
    """Raw files and tables on S3, for a month."""
    return (size.json_gb + SNAPSHOTS * size.parquet_gb) * S3_GB_MONTH


def requests() -> float:
    """Requests to S3, for a month."""
    return DAYS * (WRITES_A_DAY * S3_WRITE + READS_A_DAY * S3_READ)


def glue(size: Size) -> float:
    """Five jobs a day, each of which reads and rebuilds everything, for a month."""
    return DAYS * seconds(size) / 3600 * size.dpus * GLUE_DPU_HOUR


def seconds(size: Size) -> float:
    """Of the five jobs together, a day.

    docs/scale.md measured one process: the other four start Spark, too. What that takes is what a
    thousand customers take, nearly all of it start-up.
    """
    start_up = (JOBS - 1) * sizes()[0].cpu_seconds
    work = (size.cpu_seconds + start_up) / (size.dpus * CORES_PER_DPU * USED)
    return JOBS * (START_SECONDS + COMPILE_SECONDS + PAGE_SECONDS) + work


def athena(size: Size) -> float:
    """A count of all landing files a day, and queries over tables, for a month."""
    counts = DAYS * cost(round(size.json_gb * GB))
    return counts + QUERIES * cost(round(size.parquet_gb * GB / 10))


def standing() -> float:
    """What the account costs with nothing in it: keys, the secret, alarms, the dashboard."""
    return KEYS * KMS_KEY_MONTH + SECRET_MONTH + ALARMS * ALARM_MONTH + 3.0


def table() -> str:
    """The table, in Markdown."""
    lines = [
        "| customers | raw JSON | workers | jobs a day | S3 storage | S3 requests | Glue | Athena "
        "| keys, secret, alarms | a month |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size in sizes():
        parts = [storage(size), requests(), glue(size), athena(size), standing()]
        amounts = " | ".join(f"{part:.2f}" for part in [*parts, sum(parts)])
        lines.append(
            f"| {size.customers:,} | {size.json_gb:g} GB | {size.workers} | {seconds(size):.0f} s "
            f"| {amounts} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
