"""The data sheet of a private release: what is promised, of what, and by which constants.

It has nothing of the data but the noisy vector, which everything else in the folder is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stedi.arrays import Float64s
from stedi.declared.contract import Contract
from stedi.markdown import markdown, table
from stedi.privacy.private.density import NoisyVector
from stedi.privacy.private.spectral import STEPS, Spectrum
from stedi.privacy.published import PublishedTable
from stedi.rights.budget import Charge, Spent

_NOT_STATED = "Not stated. The owner of the data has to state it before it is passed on."


@dataclass(frozen=True)
class PrivateFacts:
    """A private release: how its vector was made, what it cost, and the rows drawn from it.

    `licence` is None where the owner states none.
    """

    table: PublishedTable
    spectrum: Spectrum
    charge: Charge
    spent: Spent
    noisy: NoisyVector
    rows: Mapping[str, Float64s]
    licence: str | None

    @property
    def contract(self) -> Contract:
        """Of the published table."""
        return self.table.contract

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.rows.values())))

    @property
    def promise(self) -> str:
        """What is promised, in one sentence."""
        return (
            f"Differentially private for each person: epsilon {self.charge.epsilon:g} at delta "
            f"{self.charge.delta:g}, adding or removing one person."
        )

    @property
    def relative_noise(self) -> float:
        """The noise's standard deviation in a coefficient, of the rows of the largest band."""
        units = self.noisy.values.reshape(self.spectrum.bands, -1) / STEPS
        constant = [not any(wave) for wave in self.spectrum.waves].index(True)
        return self.noisy.deviation / STEPS / max(float(units[:, constant].max()), 1.0)


def private_sheet(facts: PrivateFacts, rows: str) -> str:
    """The data sheet in Markdown; `rows` names the file."""
    return markdown(
        _head(facts, rows),
        _promise(facts),
        _budget(facts),
        _mechanism(facts),
        _errors(facts),
        _uses(facts),
        f"## Distribution\n\nLicence: {facts.licence or _NOT_STATED}",
    )


def _head(facts: PrivateFacts, rows: str) -> str:
    columns = ((f"`{c.name}`", c.description) for c in facts.contract.columns)
    return f"""
# {facts.spectrum.private.table}

**Synthetic rows: none of them was measured.** They were drawn from densities that were fitted to
noisy statistics of {facts.contract.name}, and have its columns:

{table(("column", "is"), columns)}

There are {facts.count:,} rows, as many as a noisy total says. All columns are doubles without
blanks, on the declared grids. Rows are sorted by their values.

| file | contents |
| --- | --- |
| `{rows}` | the rows |
| `croissant.json` | the same description for programs (MLCommons Croissant) |
| `SHA256SUMS` | checksums: `sha256sum --check SHA256SUMS` |

```python
import pandas
rows = pandas.read_parquet("{rows}")
```
"""


def _promise(facts: PrivateFacts) -> str:
    charge, publication = facts.charge, facts.table.publication
    sides = " and ".join(publication.people)
    return f"""
## What is promised

{facts.promise}

Whatever anybody concludes from these rows, or from anything made of them, is at most
e^{charge.epsilon:g} = {np.exp(charge.epsilon):.3g} times as likely with one person's data as
without, but for a probability of {charge.delta:g}: also if they know all about everybody else.

- **The unit of privacy is a person**: all rows whose person has one number ({sides}), however many
  they are, and whatever is in them. People who share an identity count as one person. Rows that are
  of two people are not used.
- **Neighbours** differ in all rows of one person (add or remove).
- **Cost**: rho {charge.rho:.6g} of zero-concentrated differential privacy.

What it does not hide:

- Facts about everybody. If values go together in people in general, that can be learnt, and be said
  of a person who is not in the data.
- Facts about groups: a group of *n* people is protected by *n* times the epsilon.
- That there was a release, when, and with which constants.
- Whose rows were admitted. Consent decides that before, and where one person's record decides about
  rows of others (a device that was handed on), it is not covered by the promise.
"""


def _budget(facts: PrivateFacts) -> str:
    spent, private = facts.spent, facts.spectrum.private
    rows = (
        ("released before this", f"{spent.before:.6g}"),
        ("this", f"{facts.charge.rho:.6g}"),
        ("all, up to now", f"{spent.total:.6g}"),
        ("cap for a lifetime", f"{spent.cap:.6g}"),
    )
    return f"""
## What was released before

The costs of releases add up to a total. All releases of this table together have epsilon
{spent.epsilon:.3g} at delta
{facts.charge.delta:g} up to now, and never more than {private.lifetime_epsilon:g}:

{table(("rho", "is"), rows)}

This is private release {facts.charge.number} of {facts.charge.when:%Y-%m-%d}. Changes, withdrawals
too, take effect in a release that comes {private.days:g} days later or more.
"""


def _mechanism(facts: PrivateFacts) -> str:
    spectrum, charge = facts.spectrum, facts.charge
    private, resolution = spectrum.private, spectrum.resolution
    warps = ((f"`{w.column}`", f"{w.centre:g}", f"{w.spread:g}") for w in private.warps)
    constants = (
        ("coefficients released, K", f"{spectrum.size:,}"),
        ("bands of the target", ", ".join(f"{edge:g}" for edge in spectrum.edges)),
        ("frequencies of the axes, length at most", f"{resolution.frequencies:g}"),
        ("frequencies of the target", ", ".join(map(str, resolution.target)) or "-"),
        ("rows of a person count as, at most", f"{private.rows_per_person:,}"),
        ("a person's vector is clipped (L2) at C", f"{resolution.clip:g}"),
        ("whole numbers to one unit", f"{STEPS}"),
        ("sensitivity of the whole numbers (L2)", f"{charge.sensitivity:,}"),
        (
            "noise, sigma in units of the sensitivity",
            f"{charge.deviation / charge.sensitivity:.4f}",
        ),
        ("noise, sigma in whole numbers", f"{charge.deviation:,.1f}"),
        ("noise from", f"{charge.library}, discrete Gaussian, the operating system's randomness"),
    )
    return f"""
## How it is made

A value becomes a share by a public map, Phi((value - centre) / spread):

{table(("column", "centre", "spread"), warps)}

Each person's rows are summed into cosine coefficients of the axes, by band of the target and by
frequency of the target in its band. That vector is clipped and cut to whole numbers. The sum over
people gets noise, once. Rows come from densities of maximum entropy that fit the noisy vector, and
depend on nothing else. All constants are declared; none was chosen by this data:

{table(("constant", "is"), constants)}

The sensitivity argument is one page, `docs/sensitivity.md` of stedi.
"""


def _errors(facts: PrivateFacts) -> str:
    return f"""
## Known errors

- Noise: each coefficient, of a density with mean 1, is off by about {facts.relative_noise:.2g}
  (standard deviation, in the largest band of the target). With fewer people it is more.
- Resolution: what is finer than the released frequencies is not there.
- People with more than {facts.spectrum.private.rows_per_person:,} rows count as if they had that
  many, and people whose rows are much alike count a little less.
- The rows are independent of one another: no person can be followed through them, and there is no
  order in time.
"""


def _uses(facts: PrivateFacts) -> str:
    return f"""
## Uses, and what it can't be used for

{facts.contract.usage or facts.contract.description}

Don't take a row for a measurement, and don't estimate from these rows how sure a result is: the
noise is in none of the usual formulas.

These rows imitate {facts.contract.name}, whose contract declares: {facts.contract.limitations}
"""
