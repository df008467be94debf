"""The peer: the five derived tables as a good engineer writes them by hand in DuckDB.

Reads, filters, joins and writes; no validation, quarantine, sums, catalog or generalisation.

    python bench/peer_duckdb.py LANDING OUTPUT
"""

import sys
from pathlib import Path

import duckdb

landing, output = Path(sys.argv[1]), Path(sys.argv[2])
output.mkdir(parents=True, exist_ok=True)
connection = duckdb.connect()
connection.execute("SET preserve_insertion_order = false")


def json(source: str, **columns: str) -> str:
    return (
        f"read_json('{landing}/{source}/landing/*.json', "
        f"format = 'newline_delimited', columns = {columns})"
    )


def write(table: str, select: str) -> None:
    path = output / f"{table}.parquet"
    connection.execute(
        f"COPY ({select}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )
    connection.execute(f"CREATE VIEW {table} AS SELECT * FROM '{path}'")


customer = json(
    "customer",
    customerName="VARCHAR",
    email="VARCHAR",
    phone="VARCHAR",
    birthDay="VARCHAR",
    serialNumber="VARCHAR",
    registrationDate="BIGINT",
    lastUpdateDate="BIGINT",
    shareWithResearchAsOfDate="VARCHAR",  # some say "" for no consent
    shareWithPublicAsOfDate="BIGINT",
    shareWithFriendsAsOfDate="BIGINT",
)
accelerometer = json(
    "accelerometer", user="VARCHAR", timestamp="BIGINT", x="DOUBLE", y="DOUBLE", z="DOUBLE"
)
step_trainer = json(
    "step_trainer", sensorReadingTime="BIGINT", serialNumber="VARCHAR", distanceFromObject="BIGINT"
)

write(
    "customer_trusted",
    "SELECT * REPLACE (TRY_CAST(shareWithResearchAsOfDate AS BIGINT) AS shareWithResearchAsOfDate) "
    f"FROM {customer} "
    "QUALIFY row_number() OVER (PARTITION BY email ORDER BY lastUpdateDate DESC) = 1 "
    "AND TRY_CAST(shareWithResearchAsOfDate AS BIGINT) > 0",
)
write(
    "accelerometer_trusted",
    f'SELECT a.* FROM {accelerometer} a JOIN customer_trusted c ON c.email = a."user"',
)
write(
    "customer_curated",
    'SELECT * FROM customer_trusted WHERE email IN (SELECT "user" FROM accelerometer_trusted)',
)
write(
    "step_trainer_trusted",
    f"SELECT * FROM {step_trainer} "
    "WHERE serialNumber IN (SELECT serialNumber FROM customer_curated)",
)
write(
    "machine_learning_curated",
    "SELECT CAST(s.distanceFromObject AS DOUBLE) AS distancefromobject, a.x, a.y, a.z "
    "FROM step_trainer_trusted s JOIN accelerometer_trusted a "
    'ON a."timestamp" = s.sensorReadingTime',
)
