"""The peer: a dbt-duckdb project as a team would have it: eight models and sixteen tests.

    python bench/peer_dbt.py LANDING OUTPUT

It needs an environment of its own, beside which STEDI_DBT names the command `dbt`:

    python -m venv ~/dbt && ~/dbt/bin/pip install -r bench/peer_dbt/requirements.txt
    export STEDI_DBT=~/dbt/bin/dbt

No quarantine, sums by reason, catalog or generalisation.
"""

import json
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).with_name("peer_dbt")

landing, output = (Path(argument).absolute() for argument in sys.argv[1:3])
output.mkdir(parents=True, exist_ok=True)
dbt = os.environ.get("STEDI_DBT") or sys.exit("STEDI_DBT: the command dbt of its own environment")
os.environ |= {"PEER_OUTPUT": str(output), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
words = ["build", "--quiet", "--project-dir", PROJECT, "--profiles-dir", PROJECT]
words += ["--target-path", output / "target", "--log-path", output / "logs"]
words += ["--vars", json.dumps({"landing": str(landing)})]
os.execv(dbt, [dbt, *map(str, words)])
