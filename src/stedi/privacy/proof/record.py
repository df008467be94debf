"""Where lineage is recorded: OpenLineage's own configuration decides, or a file by default."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stedi.declared import Declarations
from stedi.errors import Unavailable
from stedi.privacy.proof import Proof
from stedi.privacy.proof.openlineage import (
    emit_declared,
    emit_run,
    is_configured,
    keep,
    lineage_file,
)
from stedi.roots import Files
from stedi.roots.names import OWN_FOLDER


def record_declared(files: Files, declarations: Declarations, proof: Proof) -> str | None:
    """Record the lineage of all transforms; gives the file, where it is one.

    Raises `Unavailable` where OpenLineage is configured and can't be reached.
    """
    if is_configured():
        from openlineage.client import OpenLineageClient

        try:
            client = OpenLineageClient()
            emit_declared(client, files.uri(files.root), declarations, proof)
            client.close()
        except Exception as error:
            raise Unavailable(
                "contracts and transforms hold together, but their lineage could not be sent to "
                f"where OpenLineage is configured: {type(error).__name__}"
            ) from None
        return None
    if files.is_local and not files.root.is_dir():
        return None
    return files.name(_keep(files, declarations, proof))


def prepare_to_record(files: Files, declarations: Declarations) -> None:
    """Load what recording will need, a quarter of a second that can pass beside other work."""
    if is_configured() or not _is_kept(files, declarations):
        import openlineage.client  # noqa: F401


def record_run(
    files: Files, declarations: Declarations, proof: Proof, built: Sequence[str]
) -> None:
    """Record that tables were built; into the file only the lineage of new declarations goes."""
    if is_configured():
        emit_run(files.uri(files.root), declarations, proof, built)
    elif not _is_kept(files, declarations):
        _keep(files, declarations, proof)


def _is_kept(files: Files, declarations: Declarations) -> bool:
    return files.stat(lineage_file(files.root / OWN_FOLDER, declarations)) is not None


def _keep(files: Files, declarations: Declarations, proof: Proof) -> Path:
    folder = files.root / OWN_FOLDER
    path = keep(folder, files.uri(files.root), declarations, proof)
    files.publish([path])
    older = (one for one, _ in files.below(folder) if one.name.startswith(path.name.split("-")[0]))
    files.remove([one for one in older if one != path])
    return path
