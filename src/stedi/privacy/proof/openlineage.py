"""Records column lineage as OpenLineage events, for any catalog or tool that reads them.

Where OpenLineage is configured (OPENLINEAGE_URL, OPENLINEAGE_CONFIG, openlineage.yml and the like),
events go there; else the lineage of the present declarations is kept in a file.

Specification: https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from stedi.declared import Declarations
from stedi.errors import Unavailable
from stedi.privacy.proof import Proof
from stedi.roots import Files
from stedi.roots.names import OWN_FOLDER
from stedi.sql.lineage import Reach
from stedi.sql.tree import DIALECT

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset

PRODUCER = "https://pypi.org/project/stedi"
JOBS = "stedi"
_DIRECT_SUBTYPES = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
_CONFIGURED = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE_ENDPOINT")
_CONFIG_FILES = (Path("openlineage.yml"), Path("~/.openlineage/openlineage.yml"))


def record_declared(files: Files, declarations: Declarations, proof: Proof) -> str | None:
    """Record the lineage of all transforms; returns the file, where it is one.

    Raises `Unavailable` where OpenLineage is configured and can't be reached.
    """
    if _is_configured():
        from openlineage.client import OpenLineageClient

        try:
            client = OpenLineageClient()
            _emit_declared(client, files.uri(files.root), declarations, proof)
            client.close()
        except Exception as error:
            raise Unavailable(
                "contracts and transforms hold together, but their lineage could not be sent to "
                f"where OpenLineage is configured: {type(error).__name__}"
            ) from None
        return None
    if not files.exists:
        return None
    return files.name(_keep(files, declarations, proof))


def prepare_to_record(files: Files, declarations: Declarations) -> None:
    """Load what recording will need, a quarter of a second that can pass beside other work."""
    if _is_configured() or not _is_kept(files, declarations):
        import openlineage.client  # noqa: F401


def record_run(
    files: Files, declarations: Declarations, proof: Proof, built: Sequence[str]
) -> None:
    """Record that tables were built; into the file only the lineage of new declarations goes."""
    if _is_configured():
        _emit_run(files.uri(files.root), declarations, proof, built)
    elif not _is_kept(files, declarations):
        _keep(files, declarations, proof)


def _is_configured() -> bool:
    """Whether somebody has said where events are to go."""
    return (
        any(name in os.environ for name in _CONFIGURED)
        or any(name.startswith("OPENLINEAGE__") for name in os.environ)
        or any(path.expanduser().exists() for path in _CONFIG_FILES)
    )


def _file(files: Files, declarations: Declarations) -> Path:
    """Where the lineage of these declarations is kept."""
    name = f"openlineage-{declarations.profile}-{declarations.fingerprint_of_all}.jsonl"
    return files.inside(files.root / OWN_FOLDER / name)


def _is_kept(files: Files, declarations: Declarations) -> bool:
    return files.stat(_file(files, declarations)) is not None


def _keep(files: Files, declarations: Declarations, proof: Proof) -> Path:
    """Keep the lineage of all transforms in a file, one event a line, instead of older files."""
    path = _file(files, declarations)
    if not path.exists():
        _write(path, files.uri(files.root), declarations, proof)
    files.publish([path])
    older = (file for file, _ in files.below(path.parent) if file.name.startswith("openlineage-"))
    files.remove([file for file in older if file != path])
    return path


def _write(path: Path, namespace: str, declarations: Declarations, proof: Proof) -> None:
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.file import FileConfig, FileTransport

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    client = OpenLineageClient(
        transport=FileTransport(FileConfig(log_file_path=str(unfinished), append=True))
    )
    _emit_declared(client, namespace, declarations, proof)
    unfinished.replace(path)


def _emit_declared(
    client: OpenLineageClient, namespace: str, declarations: Declarations, proof: Proof
) -> None:
    """Emit a job event for each transform: lineage that holds whether or not it is ever run."""
    from openlineage.client.event_v2 import JobEvent

    for table in declarations.transforms:
        job, inputs, output = _described(namespace, declarations, proof, table)
        client.emit(
            JobEvent(eventTime=_now(), job=job, inputs=inputs, outputs=[output], producer=PRODUCER)
        )


def _emit_run(
    namespace: str, declarations: Declarations, proof: Proof, built: Iterable[str]
) -> None:
    """Emit to where OpenLineage is configured that tables were built, begin and end."""
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import Run, RunEvent, RunState

    client = OpenLineageClient()
    for table in built:
        job, inputs, output = _described(namespace, declarations, proof, table)
        run = Run(runId=str(uuid4()))
        for state in (RunState.START, RunState.COMPLETE):
            client.emit(
                RunEvent(
                    eventType=state, eventTime=_now(), run=run, job=job, inputs=inputs,
                    outputs=[output], producer=PRODUCER,
                )
            )  # fmt: skip
    client.close()


def _described(
    namespace: str, declarations: Declarations, proof: Proof, table: str
) -> tuple[Job, list[InputDataset], OutputDataset]:
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset
    from openlineage.client.facet_v2 import (
        column_lineage_dataset,
        schema_dataset,
        set_producer,
        sql_job,
    )

    set_producer(PRODUCER)
    transform, contract = declarations.transforms[table], declarations.contracts[table]
    lineage = proof.of_tables.get(table, {})
    columns = [column.name for column in contract.selected_columns]
    everywhere = _everywhere([lineage.get(name, ()) for name in columns])
    fields: dict[str, Any] = {
        name: column_lineage_dataset.Fields(
            inputFields=_input_fields(
                namespace,
                [reach for reach in lineage.get(name, ()) if _key(reach) not in everywhere],
            )
        )
        for name in columns
    }
    rows = [reach for reach in lineage.get(columns[0], ()) if _key(reach) in everywhere]
    facets: dict[str, Any] = {
        "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(
            fields=fields, dataset=_input_fields(namespace, rows)
        ),
        "schema": schema_dataset.SchemaDatasetFacet(
            fields=[
                schema_dataset.SchemaDatasetFacetFields(
                    name=column.name, type=column.type, description=column.description or None
                )
                for column in contract.selected_columns
            ]
        ),
    }
    sql = transform.tree.sql(DIALECT, pretty=True)
    job = Job(
        namespace=JOBS,
        name=f"{declarations.profile}.{table}",
        facets={"sql": sql_job.SQLJobFacet(query=sql)},
    )
    inputs = [InputDataset(namespace=namespace, name=name) for name in transform.inputs]
    return job, inputs, OutputDataset(namespace=namespace, name=table, facets=facets)


def _key(reach: Reach) -> tuple[str, str, str]:
    return reach.table, reach.column, reach.subtype


def _everywhere(columns: Sequence[Sequence[Reach]]) -> set[tuple[str, str, str]]:
    """Influences that every column has: those on which rows there are."""
    influences = [{_key(reach) for reach in reaches if not reach.is_direct} for reaches in columns]
    return set.intersection(*influences) if influences else set()


def _input_fields(namespace: str, reaches: Iterable[Reach]) -> list[Any]:
    from openlineage.client.facet_v2 import column_lineage_dataset as facet

    ways: dict[tuple[str, str], list[Reach]] = {}
    for reach in reaches:
        ways.setdefault((reach.table, reach.column), []).append(reach)
    return [
        facet.InputField(
            namespace=namespace,
            name=table,
            field=column,
            transformations=[
                facet.Transformation(
                    type="DIRECT" if subtype in _DIRECT_SUBTYPES else "INDIRECT", subtype=subtype
                )
                for subtype in sorted({reach.subtype for reach in own})
            ],
        )
        for (table, column), own in sorted(ways.items())
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat()
