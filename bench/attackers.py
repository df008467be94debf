"""What the audit's attackers find, in the tables that docs/privacy.md has under "Figures".

    python bench/attackers.py [--customers 300,2500,10000,25000] [--seed 11] [--starter FOLDER]

`--starter` names the folder of STEDI's public starter data: a table is printed for each profile.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from stedi import Lakehouse

MEMBERSHIP = ("membership", "reference", "tenth", "half", "all")


def main() -> None:
    """Print a table for each number of customers, and for each profile of the starter data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", default="300,2500,10000,25000")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--starter", type=Path)
    given = parser.parse_args()
    for profile in ("seed", "strict", "shielded") if given.starter else ():
        with tempfile.TemporaryDirectory() as folder:
            lakehouse = Lakehouse(Path(folder))
            for source in ("customer", "accelerometer", "step_trainer"):
                lakehouse.ingest(given.starter / source / "landing", source=source)
            lakehouse.run(profile=profile)
            print(f"\nstarter data, profile {profile}")
            print_table(lakehouse.audit())
    for customers in map(int, given.customers.split(",") if given.customers else ()):
        with tempfile.TemporaryDirectory() as folder:
            lakehouse = Lakehouse(Path(folder))
            lakehouse.simulate(lakehouse.root, customers=customers, seed=given.seed, people=True)
            lakehouse.run()
            audit = lakehouse.audit()
        print(f"\n{customers:,} customers")
        print_table(audit)
        found = found_by(audit)
        ruled_out = audit.attacks["membership"].figures["ruled_out_outside"]
        others = " | ".join(f"{found[name]['auc']:.3f}" for name in MEMBERSHIP[1:])
        one = shown(found["membership"])
        print(f"| {customers:,} | {one} | {ruled_out:.0%} | {others} | {left(audit)} |", flush=True)


def print_table(audit: Any) -> None:
    """What is published, and what each attack finds of it."""
    found = found_by(audit)
    print(f"| rows published | {audit.rows:,} |")
    print(f"| classes | {audit.classes:,} |")
    print(f"| fewest people in a class | {audit.smallest_class} |")
    attribution, linkability = audit.attacks["attribution"], audit.attacks["linkability"]
    print(
        f"| largest share in a class; both sides; of all rows | {audit.largest_share:.3f}; "
        f"{audit.largest_share_both_sides:.3f}; {attribution.baseline:.3f} |"
    )
    print(f"| linkability | {linkability.worst:.3f}; {dict(linkability.figures)} |")
    print(f"| inference | {audit.attacks['inference'].worst:.3f} |")
    print(f"| membership, AUC: one person's readings | {shown(found['membership'])} |")
    print(f"| and readings of others for reference | {shown(found['reference'])} |")
    print(f"| a tenth; half; all | {'; '.join(shown(found[n]) for n in MEMBERSHIP[2:])} |")
    alone = found["membership"]["row_counts_alone"]
    print(f"| the numbers of people's rows alone | {alone['value']:.3f} "
          f"({alone['lower']:.3f} to {alone['upper']:.3f}) |")  # fmt: skip
    print(f"| withdrawal: named first; mean rank | {left(audit)} |", flush=True)


def found_by(audit: Any) -> dict[str, Any]:
    """What each kind of membership attack found, by its short name."""
    names = {name: name if name == "membership" else f"membership_{name}" for name in MEMBERSHIP}
    return {name: audit.attacks[attack].figures for name, attack in names.items()}


def shown(figures: Any) -> str:
    """An AUC with its interval."""
    return f"{figures['auc']:.3f} ({figures['lower']:.3f} to {figures['upper']:.3f})"


def left(audit: Any) -> str:
    """How often who left was named first, and at which rank on average."""
    note: str = audit.attacks["withdrawal"].note
    return note.split("; ", maxsplit=1)[0]


if __name__ == "__main__":
    main()
