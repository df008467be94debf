"""Where lineage is recorded: OpenLineage's own configuration decides, or a file by default."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stedi.declared import Declarations
from stedi.privacy.openlineage import emit_declared, emit_run, is_configured, keep, lineage_file
from stedi.privacy.proof import Proof
from stedi.storage.uris import to_uri
from stedi.storage.warehouse import MACHINERY


def record_declared(root: Path, declarations: Declarations, proof: Proof) -> Path | None:
    """Record the lineage of all transforms; gives the file, where it is one."""
    if is_configured():
        from openlineage.client import OpenLineageClient

        client = OpenLineageClient()
        emit_declared(client, to_uri(root), declarations, proof)
        client.close()
        return None
    if not root.is_dir():
        return None
    return keep(root / MACHINERY, to_uri(root), declarations, proof)


def prepare_to_record(root: Path, declarations: Declarations) -> None:
    """Load what recording will need, a quarter of a second that can pass beside other work."""
    if is_configured() or not lineage_file(root / MACHINERY, declarations).exists():
        import openlineage.client  # noqa: F401


def record_run(root: Path, declarations: Declarations, proof: Proof, built: Sequence[str]) -> None:
    """Record that tables were built; into the file only the lineage of new declarations goes."""
    if is_configured():
        emit_run(to_uri(root), declarations, proof, built)
    elif not lineage_file(root / MACHINERY, declarations).exists():
        keep(root / MACHINERY, to_uri(root), declarations, proof)
