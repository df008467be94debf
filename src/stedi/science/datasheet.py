"""A data sheet: what one should know before using a data set, from contracts and figures alone.

After T. Gebru et al., "Datasheets for Datasets", Communications of the ACM 64(12), 2021. Its front
matter tells Hugging Face's tools which file holds what.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from stedi.declared.contract import Contract, Publication
from stedi.privacy.audit import Audit
from stedi.privacy.audit.attack import AttackResult
from stedi.privacy.published import PublishedTable
from stedi.science.documents import markdown, table
from stedi.status import Status, StepStatus
from stedi.storage.notes import Note

_NOT_STATED = "Not stated. Whoever owns the data has to say before it is passed on."


@dataclass(frozen=True)
class Cost:
    """What coarsening did to a column: how far published values are from measured ones."""

    mean: float
    worst: float


@dataclass(frozen=True)
class Facts:
    """A published table, what it was made from, and what its audit found.

    `costs` are by column, `published` is when the snapshot was committed; `licence` is None where
    the owner states none.
    """

    contract: Contract
    publication: Publication
    contracts: Mapping[str, Contract]
    audit: Audit
    status: Status
    costs: Mapping[str, Cost]
    snapshot: int
    published: datetime
    licence: str | None

    @classmethod
    def of(
        cls, published: PublishedTable, audit: Audit, status: Status, licence: str | None
    ) -> Facts:
        """The facts of a table whose audit and status are given."""
        return cls(
            contract=published.contract,
            publication=published.publication,
            contracts=published.declarations.contracts,
            audit=audit,
            status=status,
            costs=_costs(published),
            snapshot=published.version.snapshot_id,
            published=datetime.fromtimestamp(published.version.committed // 1000, UTC),
            licence=licence,
        )


def datasheet(facts: Facts, rows: str, boxes: str) -> str:
    """The data sheet in Markdown; `rows` and `boxes` name the files."""
    parts = (
        _front_matter(facts, rows, boxes),
        _head(facts, rows, boxes),
        _motivation(facts),
        _composition(facts, boxes),
        _collection(facts),
        _preprocessing(facts),
        _privacy(facts),
        _uses(facts),
        _distribution(facts),
        _maintenance(facts),
    )
    return markdown(parts)


def _front_matter(facts: Facts, rows: str, boxes: str) -> Iterator[str]:
    yield "---"
    yield f"pretty_name: {facts.contract.name}"
    yield "configs:"
    for name, file, default in ((facts.contract.name, rows, True), ("boxes", boxes, False)):
        yield f"  - config_name: {name}"
        yield f"    data_files: {file}"
        if default:
            yield "    default: true"
    yield "---"


def _head(facts: Facts, rows: str, boxes: str) -> Iterator[str]:
    name = facts.contract.name
    yield f"# {name}"
    yield ""
    yield facts.contract.description
    yield f"{facts.audit.rows:,} rows of people who agreed to share their data for research, made "
    yield f"anonymous: {facts.audit.classes:,} different rows, and behind each of them readings of "
    yield f"at least {facts.audit.smallest_class} people."
    yield ""
    yield f"| file | holds |\n| --- | --- |\n| `{rows}` | the rows |"
    yield f"| `{boxes}` | what each published value stands for: to code raw data alike |"
    yield "| `croissant.json` | the same description for programs (MLCommons Croissant) |"
    yield "| `SHA256SUMS` | checksums: `sha256sum --check SHA256SUMS` |"
    yield ""
    yield "```python"
    yield "import pandas"
    yield f'rows = pandas.read_parquet("{rows}")'
    yield "```"


def _motivation(facts: Facts) -> Iterator[str]:
    yield "## Motivation"
    yield ""
    yield facts.contract.usage or facts.contract.description


def _composition(facts: Facts, boxes: str) -> Iterator[str]:
    yield "## Composition"
    yield ""
    yield "A row is one pair of readings. Rows are sorted by their values, so their order tells "
    yield "nothing; none was left out. There are no time stamps, names or numbers of people, and "
    yield "no recommended split, since a split by people can't be made from what is here."
    yield ""
    yield from table(
        ("column", "is", "from", "to", "in steps of", "never coarsened across"),
        (
            (
                f"`{one.column}`",
                _describe(facts, one.column),
                _number(one.minimum),
                _number(one.maximum),
                _number(one.grid),
                ", ".join(map(_number, one.edges)) or "-",
            )
            for one in facts.publication.coarsened
        ),
    )
    yield ""
    yield f"All columns are doubles without blanks. `{boxes}` has a row a class of equal rows."


def _collection(facts: Facts) -> Iterator[str]:
    status = facts.status
    yield "## Collection"
    yield ""
    yield "Raw records were delivered by devices and an app, and read under contract:"
    yield ""
    yield from table(
        ("source", "files", "records", "loaded", "set aside"),
        (
            (name, *_counts(one.files, one.records, one.loaded, sum(one.quarantined.values())))
            for name, one in status.sources.items()
        ),
    )
    yield ""
    yield f"Only what people agreed to is used. The profile was **{status.profile}**; what each "
    yield "step kept, and why it dropped the rest:"
    yield ""
    yield from table(
        ("table", "rows are", "in", "kept", "dropped"),
        (
            (name, facts.contracts[name].description, *_counts(step.in_, step.kept), _dropped(step))
            for name, step in status.steps.items()
        ),
    )
    yield ""
    yield "Rows by zone:"
    yield ""
    yield from table(
        ("table", "zone", "rows"),
        ((name, one.zone, f"{one.rows or 0:,}") for name, one in status.tables.items()),
    )
    if status.notes:
        yield ""
        yield "Noted by the run:"
        yield ""
        yield from (f"- {_for_outsiders(note)}." for note in status.notes)


def _preprocessing(facts: Facts) -> Iterator[str]:
    yield "## Preprocessing"
    yield ""
    axes = ", ".join(f"`{one.column}`" for one in facts.publication.axes)
    yield f"Values were coarsened into boxes over {axes}, cut by Mondrian (LeFevre, DeWitt, "
    yield "Ramakrishnan, ICDE 2006) without a look at what is to be predicted but for its declared "
    yield "edges; a published value is the midpoint of its box. What that cost:"
    yield ""
    yield from table(
        ("column", "mean error", "largest error"),
        (
            (f"`{name}`", f"{cost.mean:.3g}", f"{cost.worst:.3g}")
            for name, cost in facts.costs.items()
        ),
    )
    yield ""
    yield "The raw data is not part of this data set."


def _privacy(facts: Facts) -> Iterator[str]:
    audit = facts.audit
    yield "## Privacy"
    yield ""
    yield f"Each class of equal rows has rows of at least {audit.k} people (here at least "
    yield f"{audit.smallest_class}), and nobody has more than 1/{audit.k} of its rows (here at "
    yield f"most {audit.largest_share:.3f}), on both sides of the pair. The audit attacked it with "
    yield "all raw data at hand, or with parts of it:"
    yield ""
    yield from table(
        ("attack", "knows", "and wants", "gets, at worst", "without the classes", "may get"),
        ((name, *_attack(attack)) for name, attack in audit.attacks.items()),
    )
    yield ""
    yield from (f"- {name}: {one.note}." for name, one in audit.attacks.items() if one.note)
    yield ""
    yield from _not_protected(audit.attacks)
    yield "These figures are evidence for the owner's own assessment (GDPR Recital 26; "
    yield "Article 29 Working Party, Opinion 05/2014), not a verdict."


def _not_protected(attacks: Mapping[str, AttackResult]) -> Iterator[str]:
    """How far they get whom nothing stops, in words."""
    yield "Whether somebody is in the table at all, and what two releases compared tell, is not "
    yield "protected."
    worst = {name: one.worst for name, one in attacks.items() if one.worst is not None}
    if "membership" in worst:
        yield "Whoever has all readings of a person tells whether that person is in it with an AUC "
        yield f"of {worst['membership']:.2f}, and with the raw data of everybody of "
        yield f"{worst['membership_all']:.2f}, where 0.5 is guessing and 1 certainty."
    if "withdrawal" in worst:
        yield "Of two releases between which one person left, whoever has everybody's readings "
        yield f"names that person at once in {worst['withdrawal']:.0%} of tries."


def _uses(facts: Facts) -> Iterator[str]:
    yield "## Uses, and what it can't be used for"
    yield ""
    yield facts.contract.limitations or "No limits are declared."
    yield ""
    yield "Don't try to find out who a row is from, and don't join it with data about people."


def _distribution(facts: Facts) -> Iterator[str]:
    yield "## Distribution"
    yield ""
    yield f"Licence: {facts.licence or _NOT_STATED}"


def _maintenance(facts: Facts) -> Iterator[str]:
    yield "## Maintenance"
    yield ""
    yield f"Version {facts.contract.version}, snapshot {facts.snapshot}, published "
    yield f"{facts.published:%Y-%m-%d %H:%M} UTC. When people withdraw their consent, the table is "
    yield "published anew without them: replace this copy then, and don't keep both."


def _for_outsiders(note: Note) -> str:
    """What a note says, without the command that tells its reader more."""
    return note.text.partition(";")[0] if note.code in ("quarantined", "bad_files") else note.text


def _describe(facts: Facts, column: str) -> str:
    declared = facts.contract.column(column)
    return declared.description if declared else ""


def _dropped(step: StepStatus) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in step.dropped.items()) or "-"


def _attack(attack: AttackResult) -> Sequence[str]:
    if attack.worst is None:
        return attack.knows, attack.withheld, "-", "-", "-"
    limit = "not protected" if attack.limit is None else f"{attack.limit:.3f}"
    baseline = "-" if attack.baseline is None else f"{attack.baseline:.3f}"
    return attack.knows, attack.withheld, f"{attack.worst:.3f}", baseline, limit


def _counts(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{number:,}" for number in numbers)


def _number(value: float) -> str:
    return f"{value:.10g}"


def _costs(published: PublishedTable) -> dict[str, Cost]:
    """By column; summed exactly, so that the order of rows makes no difference."""
    evidence = published.evidence
    costs = {}
    for name, values in evidence.values.items():
        errors = np.abs(values[evidence.classes] - evidence.raw.columns[name])
        costs[name] = Cost(math.fsum(errors) / len(errors), float(errors.max()))
    return costs
