"""The five Glue jobs, and the log groups that they write to."""

from __future__ import annotations

from aws_cdk.aws_glue import CfnJob
from aws_cdk.aws_logs import CfnLogGroup

from infra.deployment import Deployment, explain, filled, sub
from infra.places import PAGE, PREFIX
from infra.policies import ANALYST, JOB
from infra.settings import JOBS

ENVIRONMENT = "environment.tar.gz"
"""The packages of the hashed lock and stedi, packed by `infra/environment.sh`."""


def add(d: Deployment) -> None:
    """Add jobs and log groups. By Glue's defaults, a job runs once at a time and isn't retried."""
    for what in ("output", "error"):
        CfnLogGroup(
            d.stack,
            f"{what.capitalize()}Log",
            log_group_name=f"{d.names.log_group}/{what}",
            kms_key_id=sub("${AlertsKey.Arn}"),
            retention_in_days=d.settings.output_days,
        )
    for script in JOBS:
        name = "".join(word.capitalize() for word in script.split("_"))
        job = CfnJob(
            d.stack,
            f"Job{name}",
            name=d.names.job(script),
            role=sub(d.names.role(JOB)),
            command={
                "name": "glueetl",
                "pythonVersion": "3",
                "scriptLocation": sub(d.names.uri(d.names.code, f"{script}.py")),
            },
            default_arguments=filled(arguments(d)),
            execution_class="FLEX" if d.settings.flex else None,
            glue_version=d.settings.glue_version,
            number_of_workers=d.settings.workers,
            timeout=d.settings.timeout_minutes,
            worker_type=d.settings.worker,
        )
        job.add_resource_dependency(d.stack.node.find_child("JobRole"))
        explain(
            job,
            (
                "GL1",
                "Logs are in log groups of our own, encrypted with a key of ours; a security "
                "configuration would name the groups after itself.",
            ),
            ("GL3", "Bookmarks are off: a run knows by itself what it has read."),
        )


def arguments(d: Deployment) -> dict[str, str]:
    """The arguments of every job: Glue's own and stedi's."""
    return {
        "--root": d.names.uri(d.names.lake, PREFIX),
        "--database": d.settings.database,
        "--wait": str(d.settings.wait_seconds),
        "--max-age": f"{d.settings.late_hours}h",
        "--secret": d.names.secret,
        "--kms-key": d.names.lake_key,
        "--page": d.names.uri(d.names.results, PAGE),
        "--readers": d.names.role(ANALYST),
        "--python-virtual-env": d.names.uri(d.names.code, ENVIRONMENT),
        "--custom-logGroup-prefix": d.names.log_group,
        "--enable-metrics": "true",
    }
