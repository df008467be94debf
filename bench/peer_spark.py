"""The peer: five Spark jobs as the seed system has them, one after another in one session.

Reads, filters, joins and writes; no validation, quarantine, sums, catalog or generalisation.

    python bench/peer_spark.py LANDING OUTPUT
"""

import os
import sys
from pathlib import Path

import pyspark
from pyspark.sql import DataFrame, SparkSession

from stedi.engines.spark.java import java_home

landing, output = Path(sys.argv[1]), Path(sys.argv[2])
os.environ["JAVA_HOME"] = str(java_home(pyspark.__version__))
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.driver.memory", "4g")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.parquet.compression.codec", "zstd")
    .config("spark.sql.shuffle.partitions", "4")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")


def json(source: str, schema: str) -> DataFrame:
    return spark.read.schema(schema).json(str(landing / source / "landing"))


def write(table: str, select: str) -> None:
    path = str(output / table)
    spark.sql(select).write.mode("overwrite").parquet(path)
    spark.read.parquet(path).createOrReplaceTempView(table)


json(
    "customer",
    "customerName STRING, email STRING, phone STRING, birthDay STRING, serialNumber STRING, "
    "registrationDate BIGINT, lastUpdateDate BIGINT, shareWithResearchAsOfDate BIGINT, "
    "shareWithPublicAsOfDate BIGINT, shareWithFriendsAsOfDate BIGINT",
).createOrReplaceTempView("customer")
json(
    "accelerometer", "user STRING, timestamp BIGINT, x DOUBLE, y DOUBLE, z DOUBLE"
).createOrReplaceTempView("accelerometer")
json(
    "step_trainer", "sensorReadingTime BIGINT, serialNumber STRING, distanceFromObject BIGINT"
).createOrReplaceTempView("step_trainer")

write(
    "customer_trusted",
    "SELECT * EXCEPT (newest) FROM (SELECT *, ROW_NUMBER() OVER "
    "(PARTITION BY email ORDER BY lastUpdateDate DESC) AS newest FROM customer) "
    "WHERE newest = 1 AND shareWithResearchAsOfDate > 0",
)
write(
    "accelerometer_trusted",
    "SELECT a.* FROM accelerometer a LEFT SEMI JOIN customer_trusted c ON c.email = a.user",
)
write(
    "customer_curated",
    "SELECT * FROM customer_trusted c LEFT SEMI JOIN accelerometer_trusted a ON a.user = c.email",
)
write(
    "step_trainer_trusted",
    "SELECT s.* FROM step_trainer s LEFT SEMI JOIN customer_curated c "
    "ON c.serialNumber = s.serialNumber",
)
write(
    "machine_learning_curated",
    "SELECT CAST(s.distanceFromObject AS DOUBLE) AS distancefromobject, a.x, a.y, a.z "
    "FROM step_trainer_trusted s JOIN accelerometer_trusted a ON a.timestamp = s.sensorReadingTime",
)
spark.stop()
