"""A data sheet: what to know before using a data set, from contracts and figures alone.

After T. Gebru et al., "Datasheets for Datasets", Communications of the ACM 64(12), 2021. Its front
matter names the contents of each file for Hugging Face's tools.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from stedi.declared.contract import Contract
from stedi.markdown import markdown, table
from stedi.privacy.audit import Audit
from stedi.privacy.audit.attack import AttackResult
from stedi.privacy.audit.stored import Stored
from stedi.privacy.publication.suppression import OVER_CAP, SUPPRESSED
from stedi.privacy.published import PublishedTable
from stedi.status import Status, StepStatus
from stedi.storage.notes import Note
from stedi.text import LEAST_TOLD, about, counted

_SHARES = (
    (0.1, "less than a tenth"),
    (1 / 3, "a tenth to a third"),
    (2 / 3, "a third to two thirds"),
)
NOT_STATED = "Not stated. The owner of the data has to state it before it is passed on."


@dataclass(frozen=True)
class SheetFacts:
    """A published table, what its audit found, and what it was made from.

    `licence` is None where the owner states none.
    """

    table: PublishedTable
    audit: Audit
    status: Status
    licence: str | None

    @property
    def contract(self) -> Contract:
        """Of the published table."""
        return self.table.contract

    @property
    def published(self) -> datetime:
        """When the snapshot was committed."""
        return datetime.fromtimestamp(self.table.version.committed // 1000, UTC)

    @property
    def snapshot(self) -> int:
        """The snapshot that is described."""
        return self.table.version.snapshot_id


def datasheet(facts: SheetFacts, rows: str, boxes: str) -> str:
    """The data sheet in Markdown; `rows` and `boxes` name the files."""
    return markdown(
        _front_matter(facts, rows, boxes),
        _head(facts, rows, boxes),
        f"## Motivation\n\n{facts.contract.usage or facts.contract.description}",
        _composition(facts, boxes),
        _statistics(facts),
        _collection(facts),
        _preprocessing(facts),
        _privacy(facts),
        _uses(facts),
        f"## Distribution\n\nLicence: {facts.licence or NOT_STATED}",
        _maintenance(facts),
    )


def _front_matter(facts: SheetFacts, rows: str, boxes: str) -> str:
    return f"""
---
pretty_name: {facts.contract.name}
configs:
  - config_name: {facts.contract.name}
    data_files: {rows}
    default: true
  - config_name: boxes
    data_files: {boxes}
---
"""


def _head(facts: SheetFacts, rows: str, boxes: str) -> str:
    return f"""
# {facts.contract.name}

{facts.contract.description.rstrip()}
{facts.audit.rows:,} rows of people who agreed to share their data for research. Values are
generalised so that each equivalence class (rows with equal values) has rows of at least
{_people(facts.audit.k)}: there are {counted(facts.audit.classes, "class", "classes")}, each with
rows of at least {_people(facts.audit.smallest_class)}. Section *Privacy* has the evidence, and
what is not protected.

| file | contents |
| --- | --- |
| `{rows}` | the rows |
| `{boxes}` | the range behind each published value, to encode raw data in the same way |
| `croissant.json` | the same description for programs (MLCommons Croissant) |
| `SHA256SUMS` | checksums: `sha256sum --check SHA256SUMS` |

```python
import pandas
rows = pandas.read_parquet("{rows}")
```
"""


def _composition(facts: SheetFacts, boxes: str) -> str:
    columns = ("column", "is", "from", "to", "in steps of", "no range reaches across")
    coarsened = (
        (
            f"`{declared.column}`",
            _describe(facts, declared.column),
            *map(_number, (declared.minimum, declared.maximum, declared.grid)),
            ", ".join(map(_number, declared.edges)) or "-",
        )
        for declared in facts.table.publication.coarsened
    )
    return f"""
## Composition

A row is one matched reading. Rows are sorted by their values, so their order tells
nothing; {_left_out(facts)}. {_noise(facts)}There are
no time stamps, names or numbers of people, and no recommended split, since a split by
people can't be made from what is here.

{table(columns, coarsened)}

All columns are doubles without blanks. `{boxes}` has one row for each equivalence class.
"""


def _statistics(facts: SheetFacts) -> str:
    """Figures of the published values, which anybody can work out who has them."""
    columns = ("column", "unit", "least", "quartile", "median", "quartile", "greatest", "mean",
               "standard deviation", "different values")  # fmt: skip
    stored = facts.table.evidence.stored
    return f"""
## Statistics

Of the published values, which are midpoints of ranges:

{table(columns, (_described(facts, name, stored) for name in stored.columns))}

{_balance(facts)}
"""


def _described(facts: SheetFacts, name: str, stored: Stored) -> tuple[str, ...]:
    values, counts = stored.columns[name], stored.counts
    with np.errstate(over="ignore", invalid="ignore"):  # the ends of all doubles are far apart
        mean = np.average(values, weights=counts)
        spread = np.sqrt(np.average((values - mean) ** 2, weights=counts))
        figures = (*stored.quantiles(name, (0, 0.25, 0.5, 0.75, 1)), mean, spread)
    different = f"{len(np.unique(values)):,}"
    return (f"`{name}`", _unit(facts, name) or "-", *(f"{f:.4g}" for f in figures), different)


def _unit(facts: SheetFacts, name: str) -> str:
    declared = facts.contract.column(name)
    return (declared.unit if declared else None) or ""


def _balance(facts: SheetFacts) -> str:
    """How many rows have which answer, for each declared edge of the target."""
    target = facts.table.publication.target
    if target is None or not target.edges:
        return ""
    stored = facts.table.evidence.stored
    values, counts = stored.columns[target.column], stored.counts
    unit = f" {_unit(facts, target.column)}".rstrip()
    edges = [float("-inf"), *target.edges, float("inf")]
    rows = []
    for lower, upper in pairwise(edges):
        parts = [f"{_number(lower)}{unit} or more"] if np.isfinite(lower) else []
        parts += [f"below {_number(upper)}{unit}"] if np.isfinite(upper) else []
        count = int(counts[(values >= lower) & (values < upper)].sum())
        rows.append((" and ".join(parts), f"{count:,}", f"{count / max(stored.rows, 1):.1%}"))
    return f"Class balance:\n\n{table((f'value of `{target.column}`', 'rows', 'share'), rows)}"


def _collection(facts: SheetFacts) -> str:
    status, contracts = facts.status, facts.table.declarations.contracts
    people = facts.table.evidence.tally.totals[0].people
    sources = (
        (name, *(about(n, people) for n in (s.records, s.loaded, sum(s.quarantined.values()))))
        for name, s in status.sources.items()
    )
    steps = (
        (
            name,
            contracts[name].description,
            about(step.in_, people),
            _rows(facts, name, people),
            _dropped(step),
        )
        for name, step in status.steps.items()
    )
    zones = ((name, t.zone, _rows(facts, name, people)) for name, t in status.tables.items())
    told = [note for note in status.notes if note.count >= LEAST_TOLD]
    notes = "\n".join(f"- {_for_outsiders(note)}." for note in told)
    noted = f"Noted by the run:\n\n{notes}" if notes else ""
    return f"""
## Collection

Raw records were delivered by devices and an app, and read under contract. What isn't
published is counted in steps of what a hundred people have, on average, and of ten at least.
Shares have few steps, too. So two data sheets compared seldom reveal one person:

{table(("source", "records", "loaded", "quarantined"), sources)}

Only what people agreed to is used. The profile was **{status.profile}**; what each
step kept, and why it dropped the rest:

{table(("table", "rows are", "in", "kept", "dropped"), steps)}

Rows by zone:

{table(("table", "zone", "rows"), zones)}

{noted}
"""


def _preprocessing(facts: SheetFacts) -> str:
    audit = facts.audit
    axes = ", ".join(f"`{axis.column}`" for axis in facts.table.publication.axes)
    return f"""
## Preprocessing

Values were generalised into boxes over {axes}, cut by Mondrian (LeFevre, DeWitt,
Ramakrishnan, ICDE 2006) without a look at what is to be predicted but for its declared
edges; a published value is the midpoint of the part of its box that isn't empty. An axis
ends where a tenth of the people, and at least {audit.k}, have values as far out or further, the
target where {_people(audit.k)} {"does" if audit.k == 1 else "do"}; the outermost boxes are for
those, too. By how much published values differ from measured ones, on average for each
person{_of_sample(facts)}:

{table(("column", "of half of the people", "of nine tenths of them"), _errors(facts))}

The raw data is not part of this data set.
"""


def _of_sample(facts: SheetFacts) -> str:
    sample = facts.audit.sample
    return " of the audit's sample" if sample and sample.in_table else ""


def _privacy(facts: SheetFacts) -> str:
    audit = facts.audit
    columns = ("attack", "knows", "and wants", "gets, at worst", "without the classes", "may get")
    attacks = ((name, *_attack(attack)) for name, attack in audit.attacks.items())
    notes = "".join(f"- {name}: {a.note}.\n" for name, a in audit.attacks.items() if a.note)
    return f"""
## Privacy

Each class of equal rows has rows of at least {_people(audit.k)} (here at least
{audit.smallest_class}), and nobody has more than 1/{audit.k} of its rows (here at
most {audit.largest_share:.3f}), on each side of the matched reading by itself.
{_both_sides(audit)}{_weakness(facts)}

The audit attacked the table with all raw data, or with parts of it:

{table(columns, attacks)}

{notes}
Whether somebody is in the table at all, and what two releases compared tell, is not
protected: attacks without a limit say how far somebody gets who has that much raw data.
These figures are evidence, not a verdict. Whether these rows are personal data is for the
owner to conclude, recipient by recipient: it depends on what else a recipient has (GDPR
Recital 26; Article 29 Working Party, Opinion 05/2014).
"""


def _both_sides(audit: Audit) -> str:
    share = audit.largest_share_both_sides
    told = "was not measured" if share is None else f"is {share:.3f} here, at most"
    return f"The share of a class that one person stands in on either side {told}."


def _weakness(facts: SheetFacts) -> str:
    weakness = facts.table.publication.weakness
    return f"\n\n**Weaker than recommended:** {weakness}." if weakness else ""


def _uses(facts: SheetFacts) -> str:
    return f"""
## Uses, and what it can't be used for

{(facts.contract.limitations or "No limits are declared.").rstrip()}

Don't try to find out who a row is from, and don't join it with data about people.
"""


def _maintenance(facts: SheetFacts) -> str:
    return f"""
## Maintenance

Version {facts.contract.version}, snapshot {facts.snapshot}, published
{facts.published:%Y-%m-%d %H:%M} UTC. When people withdraw their consent, the table is
published again without them: replace this copy then, and don't keep both.
"""


def _for_outsiders(note: Note) -> str:
    """What a note says, without its count and the command that tells its reader more.

    Few people can have all that is counted: of the count only its order of magnitude is told.
    """
    least = 10 ** (len(str(note.count)) - 1)
    text = f"at least {least:,}" + note.text.removeprefix(f"{note.count:,}")
    return text.partition(";")[0] if note.code in ("quarantined", "bad_files") else text


def _people(number: int) -> str:
    return counted(number, "person", "people")


def _describe(facts: SheetFacts, column: str) -> str:
    declared = facts.contract.column(column)
    return declared.description if declared else ""


def _dropped(step: StepStatus) -> str:
    """Reasons for a hundredth of the rows at least, with shares so coarse that nobody is told."""
    told = (
        (reason, count / step.in_)
        for reason, count in step.dropped.items()
        if count >= max(LEAST_TOLD, step.in_ / 100) and reason not in (OVER_CAP, SUPPRESSED)
    )
    return "; ".join(f"{reason}: {_share(share)}" for reason, share in told) or "-"


def _share(share: float) -> str:
    return next((words for below, words in _SHARES if share < below), "two thirds or more")


def _rows(facts: SheetFacts, name: str, people: int) -> str:
    """The rows of a table: exactly of the published one, which anybody can count."""
    rows = facts.status.tables[name].rows or 0
    return f"{rows:,}" if name == facts.contract.name else about(rows, people)


def _attack(attack: AttackResult) -> Sequence[str]:
    if attack.worst is None:
        return attack.knows, attack.withheld, "-", "-", "-"
    limit = "not protected" if attack.limit is None else f"{attack.limit:.3f}"
    baseline = "-" if attack.baseline is None else f"{attack.baseline:.3f}"
    return attack.knows, attack.withheld, f"{attack.worst:.3f}", baseline, limit


def _number(value: float) -> str:
    return f"{value:.10g}"


def _left_out(facts: SheetFacts) -> str:
    left_out = sum(facts.table.suppressed.values())
    if not left_out:
        return "none was left out"
    return "some were left out, of people with too many, or in ranges with too few people"


def _noise(facts: SheetFacts) -> str:
    if not facts.audit.noise:
        return ""
    return f"""How often a class is repeated is not how many rows it has: whole numbers were added
to the counts, drawn at random (discrete Laplace, scale {facts.audit.noise:g}), and classes that
came out at none or less are left out. So counts of few rows mean nothing, and there are more rows
in all than there were. No epsilon of differential privacy is claimed for it. """


def _errors(facts: SheetFacts) -> Iterator[tuple[str, str, str]]:
    """How far published values are from measured ones: each person's mean, by quantile of people.

    At least k people lie beyond each quantile that is told: the largest error is one person's.
    """
    evidence, k = facts.table.evidence, facts.table.publication.k
    _, person = np.unique(evidence.raw.people[0], return_inverse=True)
    rows = np.bincount(person)
    shares = [min(share, 1 - k / len(rows)) for share in (0.5, 0.9)]
    for name, values in evidence.values.items():
        with np.errstate(over="ignore"):  # the ends of all doubles are further apart than any is
            errors = np.abs(values[evidence.classes] - evidence.raw.columns[name])
            means = np.bincount(person, weights=errors) / rows
        if len(rows) < 2 * k:
            yield f"`{name}`", "not told: too few people", "not told"
            continue
        half, most = np.quantile(means, shares, method="lower")
        unit = f" {_unit(facts, name)}".rstrip()
        told = f"{most:.3g}{unit}" if shares[1] > 0.5 else "not told"
        yield f"`{name}`", f"{half:.3g}{unit}", told
