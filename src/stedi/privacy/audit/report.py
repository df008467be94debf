"""A privacy report on what is published, for an impact assessment (DPIA), with an audit's figures.

The text is in `report.md`. Its headings follow ISO/IEC 27559:2022 (context, data, identifiability,
governance), its criteria Article 29 Working Party, Opinion 05/2014. What only the owner of the data
knows is left blank there, and marked. There is no count of people or records in it that a data
sheet would round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import get_args

from stedi.declared.contract import Contract
from stedi.markdown import markdown, table
from stedi.privacy.audit import Audit
from stedi.privacy.audit.attack import AttackResult, Risk
from stedi.privacy.proof.expressions import ALLOWED
from stedi.written import Document

_CRITERIA: tuple[Risk, ...] = ("singling out", "linkability", "inference")
_RESULTS = {True: "within its limit", False: "**FAILS**", None: "measured only"}
_NOT_MEASURED = "not measured"
_SEAL = "<!-- unchanged since it was written: "


@dataclass(frozen=True)
class Report:
    """What a report is of: an audit, the contract of the table, and the version of STEDI."""

    audit: Audit
    contract: Contract
    stedi: str

    def text(self, written: datetime) -> str:
        """The report in Markdown."""
        template = Template(files(__package__).joinpath("report.md").read_text(encoding="utf-8"))
        attacks = {risk.replace(" ", "_"): self._attacks(risk) for risk in get_args(Risk)}
        text = template.substitute(
            attacks,
            table=self.audit.table,
            k=self.audit.k,
            version=self.stedi,
            result=self._result(),
            identity=table(("report", "is of"), self._identity(written)),
            purpose=self._purpose(),
            measures=table(("measure", "measured", "promised"), self._measures()),
            weakness=self._weakness(),
            columns=table(("published column", "classification", "is"), self._columns()),
            checks=self._checks(),
            criteria=table(
                ("criterion", "result of its attacks, within one publication"),
                ((risk, self._verdict(risk)) for risk in _CRITERIA),
            ),
            proof=self._proof(),
            places=table(("", "a direct identifier may be"), _places()),
        )
        return _sealed(text)

    def _result(self) -> str:
        if self.audit.ok:
            return "**Result of the audit: all checks, and all attacks with a limit, are passed.**"
        problems = "\n".join(f"- {problem}" for problem in self.audit.problems)
        return f"**Result of the audit: FAILED. Don't pass the table on.** Problems:\n\n{problems}"

    def _identity(self, written: datetime) -> Iterator[tuple[str, str]]:
        yield "table", self.audit.table
        of = self.audit.provenance
        if of is not None:
            yield "snapshot", of.snapshot
            yield "published", _time(datetime.fromisoformat(of.published))
            yield "profile", of.profile
            yield "version of the contract", of.contract
        yield "version of STEDI", self.stedi
        yield "report written", _time(written)

    def _purpose(self) -> str:
        stated = _line(self.contract.usage or self.contract.description)
        limits = _line(self.contract.limitations)
        return markdown(
            f"The contract of the table states as its use: {stated}",
            f"It states as its limits: {limits}" if limits else "",
        ).strip()

    # What is published ---------------------------------------------------------------------------

    def _measures(self) -> Iterator[tuple[str, str, str]]:
        audit = self.audit
        if not audit.rows:
            yield "rows", "none that could be audited", ""
            return
        both = audit.largest_share_both_sides
        yield "rows", f"{audit.rows:,}", ""
        yield "equivalence classes", f"{audit.classes:,}", ""
        declared = publication.noise if (publication := self.contract.publication) else None
        scale = f"discrete Laplace of scale {declared.scale:g}" if declared else "none"
        attacked = f"of scale {audit.noise:g}, and so attacked" if audit.noise else "none"
        yield "noise on how often a class is repeated", attacked, scale
        yield "fewest people in a class", f"{audit.smallest_class:,}", f"at least {audit.k}"
        share = "largest share of a class that one person has"
        yield f"{share}, on one side", f"{audit.largest_share:.3f}", f"at most 1/{audit.k}"
        yield f"{share}, on both sides together", _figure(both) or _NOT_MEASURED, "not promised"
        may_go = f"{publication.suppress:.0%} of the rows" if publication else ""
        told = "none" if not audit.suppressed else "some: see stedi status"
        yield "rows left out, of people with too many or in ranges with too few", told, may_go
        yield "warnings", "; ".join(audit.warnings) or "none", ""

    def _weakness(self) -> str:
        publication = self.contract.publication
        if publication is None or publication.weakness is None:
            return "Nothing is declared that is weaker than recommended."
        return f"**Weaker than recommended:** {_line(publication.weakness)}."

    def _columns(self) -> Iterator[tuple[str, str, str]]:
        for column in self.contract.columns:
            yield f"`{column.name}`", column.classification, column.description

    def _checks(self) -> str:
        if not self.audit.checks:
            return "None was made: see the problems above."
        found = self.audit.checks.items()
        rows = ((name, "; ".join(problems) or "nothing wrong") for name, problems in found)
        return table(("check", "finds"), rows)

    def _proof(self) -> str:
        found = self.audit.checks.get("proof")
        if found is None:
            return "It was not made again: see the problems above."
        return f"**The proof fails: {'; '.join(found)}.**" if found else "**The proof holds.**"

    # Attacks -------------------------------------------------------------------------------------

    def _of(self, risk: Risk) -> list[tuple[str, AttackResult]]:
        return [(name, a) for name, a in self.audit.attacks.items() if a.risk == risk]

    def _verdict(self, risk: Risk) -> str:
        verdicts = [attack.ok for _, attack in self._of(risk)]
        if not verdicts or None in verdicts:
            return _NOT_MEASURED
        return _RESULTS[all(verdicts)]

    def _attacks(self, risk: Risk) -> str:
        attacks = self._of(risk)
        if not attacks:
            return "Not measured: see the problems above."
        columns = (
            *("attack", "the attacker knows", "and wants", "without classes", "mean", "worst"),
            *("95 % interval", "limit", "result"),
        )
        rows = (_row(name, attack) for name, attack in attacks)
        said = (f"- {name}: {text}." for name, attack in attacks for text in _said(attack))
        return markdown(table(columns, rows), "\n".join(said)).strip()


def _row(name: str, attack: AttackResult) -> tuple[str, ...]:
    figures = (_figure(number) for number in (attack.baseline, attack.mean, attack.worst))
    interval = " to ".join(map(_figure, attack.interval)) if attack.interval else ""
    measured = attack.worst is not None or attack.figures is not None
    result = _RESULTS[attack.ok] if measured else _NOT_MEASURED
    known = attack.knows, attack.withheld
    return name, *known, *figures, interval, _figure(attack.limit), result


def _said(attack: AttackResult) -> Iterator[str]:
    """What there is to say of an attack in words."""
    doubt = attack.doubt if attack.ok is False else None
    yield from filter(None, (attack.summary, attack.note, doubt))


def _places() -> Iterator[tuple[str, str]]:
    return ((str(number), place) for number, place in enumerate(ALLOWED, start=1))


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _line(text: str) -> str:
    return " ".join(text.split())


# The file ----------------------------------------------------------------------------------------


def report_at(path: Path) -> Document:
    """A report that is to be written; one that nobody has changed since may be replaced."""
    otherwise = "is no report or was filled in"
    return Document(path, f"--report {path}", (".md",), _is_unchanged, otherwise)


def _sealed(text: str) -> str:
    return f"{text}\n{_SEAL}{hashlib.sha256(text.encode()).hexdigest()} -->\n"


def _is_unchanged(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return _sealed(text.rpartition(f"\n{_SEAL}")[0]) == text
