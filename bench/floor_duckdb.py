"""The floor: DuckDB only parses the same files into sums, and writes nothing.

python bench/floor_duckdb.py LANDING
"""

import sys
from pathlib import Path

import duckdb

landing = Path(sys.argv[1])
connection = duckdb.connect()
for source, columns, sums in (
    (
        "customer",
        {"email": "VARCHAR", "serialNumber": "VARCHAR", "lastUpdateDate": "BIGINT"},
        "COUNT(email), COUNT(serialNumber), SUM(lastUpdateDate)",
    ),
    (
        "accelerometer",
        {"user": "VARCHAR", "timestamp": "BIGINT", "x": "DOUBLE", "y": "DOUBLE", "z": "DOUBLE"},
        'COUNT("user"), SUM("timestamp"), SUM(x), SUM(y), SUM(z)',
    ),
    (
        "step_trainer",
        {"sensorReadingTime": "BIGINT", "serialNumber": "VARCHAR", "distanceFromObject": "BIGINT"},
        "SUM(sensorReadingTime), COUNT(serialNumber), SUM(distanceFromObject)",
    ),
):
    connection.execute(
        f"SELECT {sums} FROM read_json('{landing}/{source}/landing/*.json', "
        f"format = 'newline_delimited', columns = {columns})"
    ).fetchall()
