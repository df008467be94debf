"""Difference: what a comparison of this publication with the one before it tells."""

from __future__ import annotations

from collections.abc import Mapping

from stedi.privacy.audit.attack import AttackResult, Risk
from stedi.privacy.audit.evidence import Evidence


class Difference:
    """What the publication noted when it was compared with the one before it."""

    name = "difference"
    risk: Risk = "change"

    def run(self, evidence: Evidence) -> AttackResult:
        """Report what was noted; only then both publications were there."""
        noted = evidence.difference
        return AttackResult(
            knows="this publication and the one before it",
            withheld="which rows were added or removed in between",
            figures=dict(noted) if noted else None,
            note=f"measured only, by {evidence.form}: what two publications reveal is not protected"
            if noted
            else "there was no publication before this one under the same declaration",
            summary=_in_words(noted, evidence.publication.k) if noted else None,
        )


def _in_words(noted: Mapping[str, int], k: int) -> str:
    return (
        f"{noted['changed']:,} of {noted['regions']:,} regions changed, {noted['few']:,} by fewer "
        f"than {k} rows"
    )
