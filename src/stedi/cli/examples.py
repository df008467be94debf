"""Examples of each command, as its help shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EXAMPLES: Mapping[str, Sequence[str]] = {
    "demo": ["stedi demo", "stedi demo --root my-lakehouse --seed 7"],
    "simulate": [
        "stedi simulate raw --customers 1000",
        "stedi simulate raw --people --defects 5",
    ],
    "ingest": [
        "stedi ingest raw",
        "stedi ingest monday.json.gz --source accelerometer",
        "stedi ingest raw --look",
    ],
    "run": [
        "stedi run",
        "stedi run --dry-run",
        "stedi run --profile strict --page lakehouse.html",
        "stedi run --engine spark --master spark://host:7077",
    ],
    "status": ["stedi status", "stedi status --verify", "stedi status --max-age 26h --quiet"],
    "explain": ["stedi explain step_trainer_trusted"],
    "query": [
        'stedi query "SELECT * FROM machine_learning_curated LIMIT 5"',
        "stedi query 'SELECT * FROM customer_curated WHERE email = ?' --param ann@example.com",
        "stedi query -f report.sql -o report.csv",
        "stedi query 'DESCRIBE loads' --format markdown",
    ],
    "shell": ["stedi shell", "stedi --root my-lakehouse shell < statements.sql"],
    "export": ["stedi export --duckdb lakehouse.duckdb"],
    "page": ["stedi page lakehouse.html", "stedi page lakehouse.html --audit --model model"],
    "check": [
        "stedi check",
        "stedi check --explain machine_learning_curated.x",
        "stedi check --graph lineage.svg",
    ],
    "audit": ["stedi audit", "stedi audit --report privacy.md"],
    "release": [
        "stedi release data-set --license https://creativecommons.org/licenses/by/4.0/",
        "stedi release synthetic --private --epsilon 1 --recipient 'University of Ulm'",
    ],
    "releases": ["stedi releases", "stedi releases --json"],
    "disclose": ["stedi disclose ann@example.com for-ann", "stedi disclose - for-ann < email.txt"],
    "train": ["stedi train model", "stedi train model --sample 100000 --threshold 0.7"],
    "predict": ["stedi predict model new-readings.json -o predicted.csv"],
    "ddl": ["stedi ddl --location s3://bucket/prefix", "stedi ddl machine_learning_curated"],
    "erase": [
        "stedi erase --email ann@example.com --dry-run",
        "stedi erase --subjects people.txt --yes --output receipt.md",
        "stedi erase --email ann@example.com --verify",
    ],
    "quarantine list": ["stedi quarantine list --source accelerometer --limit 100"],
    "quarantine show": ["stedi quarantine show accelerometer/monday.json@1204 --raw"],
    "quarantine replay": ["stedi quarantine replay --source customer"],
    "review": ["stedi review", "stedi review --raw"],
    "review accept": ["stedi review accept 3f9a20"],
    "secret": ["stedi secret"],
    "secret rotate": ["stedi secret rotate", "stedi secret rotate --output new-secret"],
    "secret rekey": ["stedi secret rekey --root other-lakehouse"],
    "help": ["stedi help", "stedi help run", "stedi help quarantine list"],
}


def epilog(command: str) -> str:
    """The end of a command's help: its examples, a line each."""
    lines = (f"  {example}" for example in EXAMPLES[command])
    return "\b\n" + "\n".join(["Examples:", *lines])
