"""Two databases, workgroups, and what is registered with Lake Formation."""

from __future__ import annotations

from typing import Any

from aws_cdk.aws_athena import CfnWorkGroup
from aws_cdk.aws_glue import CfnDatabase, CfnTable
from aws_cdk.aws_lakeformation import CfnResource as Registered

from infra.deployment import Deployment, sub
from infra.places import PREFIX
from infra.policies import LAKE_FORMATION, STEWARD

GB = 1_000_000_000


def add(d: Deployment) -> None:
    """Add databases, links to published tables, workgroups and registered folders."""
    account = sub("${AWS::AccountId}")
    for database in (d.settings.database, d.settings.published):
        CfnDatabase(
            d.stack,
            "Published" if database == d.settings.published else "Database",
            catalog_id=account,
            database_input={"name": database},
        )
    # A link outlives the table: a run may rebuild that.
    for table in (*d.folders.published, *d.folders.synthetic):
        target = {
            "catalogId": account,
            "databaseName": d.settings.database,
            "name": table,
        }
        link = CfnTable(
            d.stack,
            f"Link{''.join(word.capitalize() for word in table.split('_'))}",
            catalog_id=account,
            database_name=d.settings.published,
            table_input={"name": table, "targetTable": target},
        )
        link.add_resource_dependency(d.stack.node.find_child("Published"))
    for who, folder in d.rights.workgroups.items():
        scanned = d.settings.scanned_gb if who == STEWARD else d.settings.published_scanned_gb
        CfnWorkGroup(
            d.stack,
            f"Workgroup{folder.capitalize()}",
            name=d.names.workgroup(folder),
            recursive_delete_option=True,
            work_group_configuration=_configuration(d, folder, scanned),
        )
    for place in d.rights.registered:
        Registered(
            d.stack,
            f"Registered{''.join(w.capitalize() for w in place.replace('/', '_').split('_'))}",
            resource_arn=sub(d.names.bucket(d.names.lake, f"{PREFIX}/{place}")[0]),
            role_arn=sub(d.names.role(LAKE_FORMATION)),
            use_service_linked_role=False,
            hybrid_access_enabled=True,
        ).add_resource_dependency(d.stack.node.find_child("LakeFormationRole"))


def _configuration(d: Deployment, folder: str, scanned: int) -> Any:
    return {
        "enforceWorkGroupConfiguration": True,
        "publishCloudWatchMetricsEnabled": True,
        "bytesScannedCutoffPerQuery": scanned * GB,
        "engineVersion": {"selectedEngineVersion": "Athena engine version 3"},
        "resultConfiguration": {
            "outputLocation": sub(d.names.uri(d.names.results, f"{folder}/")),
            "expectedBucketOwner": sub("${AWS::AccountId}"),
            "encryptionConfiguration": {
                "encryptionOption": "SSE_KMS",
                "kmsKey": sub(d.names.results_key),
            },
        },
    }
