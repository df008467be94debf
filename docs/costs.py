"""What a month on AWS costs, from prices and quantities that are all written here.

python docs/costs.py    prints the table that docs/aws.md shows
"""

from __future__ import annotations

from dataclasses import dataclass

from stedi.athena import cost

# US dollars in us-east-1, November 2026, as AWS's price pages give them; yours may differ.
S3_GB_MONTH = 0.023  # https://aws.amazon.com/s3/pricing/, S3 Standard, the first 50 TB
S3_WRITE, S3_READ = 0.005 / 1_000, 0.0004 / 1_000  # the same page: PUT and LIST, GET
GLUE_DPU_HOUR = 0.44  # https://aws.amazon.com/glue/pricing/, by the second

DAYS = 30
JOBS = 5
START_SECONDS = 90  # of a job, in which packages are installed and Spark starts: assumed
USED = 0.5  # share of the workers' cores that is kept busy: assumed
CORES_PER_DPU = 4
WRITES_A_DAY, READS_A_DAY = 1_500, 15_000  # requests of five jobs: assumed
SNAPSHOTS = 3  # the tables, and what earlier snapshots hold of a week: assumed
QUERIES = 1_000  # a month, each over a tenth of all tables: assumed
GB = 1e9


@dataclass(frozen=True)
class Size:
    """A landing zone as docs/scale.md measured it, and the workers for it."""

    customers: int
    json_gb: float
    parquet_gb: float
    cpu_seconds: float
    workers: str
    dpus: int


SIZES = (
    Size(1_000, 0.011, 0.001, 35.7, "2 G.1X", 2),
    Size(100_000, 1.11, 0.05, 78.7, "2 G.1X", 2),
    Size(1_000_000, 11.2, 0.48, 322.0, "2 G.2X", 4),
)


def storage(size: Size) -> float:
    """Raw files and tables on S3, for a month."""
    return (size.json_gb + SNAPSHOTS * size.parquet_gb) * S3_GB_MONTH


def requests() -> float:
    """Requests to S3, for a month."""
    return DAYS * (WRITES_A_DAY * S3_WRITE + READS_A_DAY * S3_READ)


def glue(size: Size) -> float:
    """Five jobs a day, each of which reads and builds everything anew, for a month."""
    return DAYS * seconds(size) / 3600 * size.dpus * GLUE_DPU_HOUR


def seconds(size: Size) -> float:
    """Of the five jobs together, a day."""
    return JOBS * START_SECONDS + size.cpu_seconds / (size.dpus * CORES_PER_DPU * USED)


def athena(size: Size) -> float:
    """A count of all landing files a day, and queries over tables, for a month."""
    counts = DAYS * cost(round(size.json_gb * GB))
    return counts + QUERIES * cost(round(size.parquet_gb * GB / 10))


def table() -> str:
    """The table, in Markdown."""
    lines = [
        "| customers | raw JSON | workers | jobs a day | S3 storage | S3 requests | Glue | Athena "
        "| a month |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size in SIZES:
        parts = [storage(size), requests(), glue(size), athena(size)]
        amounts = " | ".join(f"{part:.2f}" for part in [*parts, sum(parts)])
        lines.append(
            f"| {size.customers:,} | {size.json_gb:g} GB | {size.workers} | {seconds(size):.0f} s "
            f"| {amounts} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
