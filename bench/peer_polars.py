"""The peer: the five derived tables as a good engineer writes them by hand in Polars, lazily.

Reads, filters, joins and writes; no validation, quarantine, sums, catalog or generalisation.

    python bench/peer_polars.py LANDING OUTPUT
"""

import sys
from pathlib import Path

import polars as pl

landing, output = Path(sys.argv[1]), Path(sys.argv[2])
output.mkdir(parents=True, exist_ok=True)


def json(source: str, **columns: type[pl.DataType]) -> pl.LazyFrame:
    files = landing / source / "landing" / "*.json"
    return pl.scan_ndjson(files, schema=dict(columns), low_memory=False)


def write(table: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    path = output / f"{table}.parquet"
    rows.sink_parquet(path, compression="zstd", compression_level=1)
    return pl.scan_parquet(path)


customer = json(
    "customer",
    customerName=pl.String,
    email=pl.String,
    phone=pl.String,
    birthDay=pl.String,
    serialNumber=pl.String,
    registrationDate=pl.Int64,
    lastUpdateDate=pl.Int64,
    shareWithResearchAsOfDate=pl.String,  # some say "" for no consent
    shareWithPublicAsOfDate=pl.Int64,
    shareWithFriendsAsOfDate=pl.Int64,
)
accelerometer = json(
    "accelerometer", user=pl.String, timestamp=pl.Int64, x=pl.Float64, y=pl.Float64, z=pl.Float64
)
step_trainer = json(
    "step_trainer",
    sensorReadingTime=pl.Int64,
    serialNumber=pl.String,
    distanceFromObject=pl.Int64,
)

customer_trusted = write(
    "customer_trusted",
    customer.with_columns(pl.col("shareWithResearchAsOfDate").cast(pl.Int64, strict=False))
    .sort("lastUpdateDate", descending=True)
    .unique("email", keep="first", maintain_order=True)
    .filter(pl.col("shareWithResearchAsOfDate") > 0),
)
accelerometer_trusted = write(
    "accelerometer_trusted",
    accelerometer.join(customer_trusted, left_on="user", right_on="email", how="semi"),
)
customer_curated = write(
    "customer_curated",
    customer_trusted.join(accelerometer_trusted, left_on="email", right_on="user", how="semi"),
)
step_trainer_trusted = write(
    "step_trainer_trusted", step_trainer.join(customer_curated, on="serialNumber", how="semi")
)
write(
    "machine_learning_curated",
    step_trainer_trusted.join(
        accelerometer_trusted, left_on="sensorReadingTime", right_on="timestamp"
    ).select(
        pl.col("distanceFromObject").cast(pl.Float64).alias("distancefromobject"), "x", "y", "z"
    ),
)
