"""Attribution: how sure an attacker can be whose a row is, of rows that are equal.

Singling out and linkability are two of the three risks of Article 29 Working Party, Opinion 05/2014
on Anonymisation Techniques; the third is inference.
"""

from __future__ import annotations

from stedi.privacy.audit.attack import AttackResult, Risk, is_at_most
from stedi.privacy.audit.evidence import Evidence
from stedi.text import counted


class Attribution:
    """The largest share of one person in each class; exact, over all classes and on all sides."""

    name = "attribution"
    risk: Risk = "singling out"

    def run(self, evidence: Evidence) -> AttackResult:
        """Find the worst class, and the mean; the baseline is the largest share of all rows."""
        k, people, worst = evidence.publication.k, evidence.fewest_people, evidence.largest_share
        limit, rows = 1 / k, int(evidence.rows_by_class.sum())
        return AttackResult(
            knows="all raw data, and which class a row is in",
            withheld="whose row it is",
            worst=worst,
            mean=float(max(shares.mean() for shares in evidence.largest_shares)),
            baseline=max(side.most for side in evidence.tally.totals) / rows,
            limit=limit,
            ok=is_at_most(worst, limit),
            figures={"fewest_people": people} | _fewest_rows(evidence),
            summary=f"in the worst class, the best guess is right for {worst:.1%} of the rows",
            problem=f"a class has rows of {counted(people, 'person', 'people')}, of {k} at least"
            if people < k
            else None,
        )


def _fewest_rows(evidence: Evidence) -> dict[str, int]:
    """The rows of the smallest class; none where counts are noisy: no true one is beside them."""
    return {} if evidence.noise_scale else {"fewest_rows": int(evidence.rows_by_class.min())}
