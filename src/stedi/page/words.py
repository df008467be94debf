"""What the page says first: is it right, how fresh, what needs somebody, how private; in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from stedi.page.facts import Facts, PublishedFacts
from stedi.text import counted

Mood = Literal["good", "look", "bad"]
_OF_FILES = {"bad_files", "copies", "running", "erasure_begun", "weaker_than_recommended"}
"""Notes that count no people."""
_NAMING = {"redelivered", "unknown_keys"}
"""Notes that end with names of files or keys, which come from outside, behind a colon."""
_TOLD_ELSEWHERE = {"quarantined", "consent_suspended", "bad_files", "running", "erasure_begun"}


@dataclass(frozen=True)
class Answer:
    """A question that everybody has, the answer in a few words, and more of them."""

    question: str
    answer: str
    mood: Mood
    more: tuple[str, ...]
    link: tuple[str, str]


@dataclass(frozen=True)
class Task:
    """Something that a person has to do or to know, and the command for it."""

    what: str
    command: str | None
    is_urgent: bool


def answers(facts: Facts) -> tuple[Answer, ...]:
    """The four answers at the top."""
    return (_is_it_right(facts), _how_fresh(facts), _what_needs_me(facts), _how_private(facts))


def _is_it_right(facts: Facts) -> Answer:
    link = ("flow", "Where rows go")
    if facts.problems:
        count = counted(len(facts.problems), "problem")
        return Answer("Is it right?", f"No: {count}", "bad", facts.problems[:5], link)
    built = [t for t in facts.tables.values() if t.status.rows is not None]
    if not built:
        return Answer(
            "Is it right?", "Nothing is built yet", "look", ("`stedi run` builds it.",), link
        )
    sums = sum(t.step is not None and t.step.adds_up is True for t in built)
    return Answer(
        "Is it right?",
        "Yes: every record is accounted for",
        "good",
        (
            f"The sums of {counted(len(facts.sources), 'source')} and {counted(sums, 'step')} "
            "hold: what comes in is kept, quarantined, or dropped for a named reason.",
            "All files of the tables are there, as they were written.",
        ),
        link,
    )


def _how_fresh(facts: Facts) -> Answer:
    link = ("time", "Over time")
    times = [t.committed for t in facts.tables.values() if t.committed is not None]
    if not times:
        return Answer("How fresh is it?", "Nothing is built yet", "look", (), link)
    newest = when(max(times))
    late = [t for t in facts.tables.values() if t.status.freshness != "fresh"]
    unread = sum(source.unread for source in facts.sources)
    arrived = [day for source in facts.sources for day in source.arrived]
    more = [f"The last change of a table was on {newest}."]
    if arrived:
        more.append(f"The last file arrived on {max(arrived)} (UTC).")
    if unread:
        more.append(f"{counted(unread, 'file')} not read yet.")
    if late:
        more += [f"{t.name}: {t.status.why}" for t in late[:5]]
        answer = f"{counted(len(late), 'table')} out of date"
        return Answer("How fresh is it?", answer, "look", tuple(more), link)
    return Answer("How fresh is it?", "Up to date", "good", tuple(more), link)


def _what_needs_me(facts: Facts) -> Answer:
    link = ("tasks", "What needs somebody")
    urgent = [task for task in tasks(facts) if task.is_urgent]
    if not urgent:
        return Answer("What needs somebody?", "Nothing", "good", (), link)
    more = tuple(task.what for task in urgent[:3])
    answer = f"{counted(len(urgent), 'thing')} to do"
    return Answer("What needs somebody?", answer, "look", more, link)


def _how_private(facts: Facts) -> Answer:
    link = ("privacy", "Privacy")
    question = "How private is it?"
    if not facts.published:
        return Answer(question, "Nothing is published yet", "look", (), link)
    moods: list[Mood] = []
    more = []
    for p in facts.published:
        mood, text = _privacy_of(p)
        moods.append(mood)
        more.append(text)
        if p.audit is None and not p.withheld:
            more.append("No attack was tried for this page; `stedi page --audit` tries them.")
    if "bad" in moods:
        return Answer(question, "A check fails", "bad", tuple(more), link)
    if all(p.withheld for p in facts.published):
        return Answer(question, "Nothing is published", "look", tuple(more), link)
    k = min(p.k for p in facts.published if not p.withheld)
    answer = f"At least {counted(k, 'person', 'people')} behind every published row"
    return Answer(question, answer, "good", tuple(more), link)


def _privacy_of(p: PublishedFacts) -> tuple[Mood, str]:
    name = p.contract.name
    if p.withheld:
        return "look", f"{name} is withheld, an empty table is published: {p.withheld}."
    if p.proof_problems:
        return "bad", f"The proof that no identifier is in {name} fails; see `stedi check`."
    if p.audit is not None and not p.audit.ok:
        count = counted(len(p.audit.problems), "problem")
        return "bad", f"The audit of {name} finds {count}; see `stedi audit`."
    held = " The audit's checks and attacks hold." if p.audit else ""
    return "good", f"No identifier's value can be in {name}: proved from its SQL.{held}"


def tasks(facts: Facts) -> Iterator[Task]:
    """What a person has to do, the urgent first, and then what is good to know."""
    d = facts.discreet
    by_code = {note.code: note for note in facts.notes}
    for problem in facts.problems:
        yield Task(problem, "stedi status", True)
    if "erasure_begun" in by_code:
        yield Task("An erasure was begun and is not done.", "stedi run", True)
    for why, people in facts.suspended.items():
        question = facts.questions.get(why, "").split(" stedi ")[0]
        shown = d.words(f"{people:,} people", people)
        yield Task(_sentence(f"{shown}: {why}. {question}".strip()), "stedi review", True)
    bad = {source.name: source.bad_files for source in facts.sources if source.bad_files}
    if bad:
        where = ", ".join(f"{count:,} of {name}" for name, count in bad.items())
        yield Task(
            f"{counted(sum(bad.values()), 'file')} quarantined as a whole ({where}): most of each "
            "can't be read. Ask for them again, or load what is valid.",
            "stedi quarantine list",
            True,
        )
    for p in facts.published:
        if p.withheld:
            yield Task(f"{p.contract.name} is withheld: {p.withheld}.", "stedi status", True)
    for source in facts.sources:
        if pieces := sum(one.count for one in source.quarantined):
            shown = d.count(pieces, source.table)
            yield Task(
                _sentence(f"{shown} records of {source.name} quarantined."),
                f"stedi quarantine list --source {source.name}",
                False,
            )
    if "running" in by_code:
        yield Task("A run is in progress: some tables may be older than others.", None, False)
    for note in facts.notes:
        if note.code not in _TOLD_ELSEWHERE:
            said = note.text.partition(": ")[0] if note.code in _NAMING else note.text
            text = said if note.code in _OF_FILES else d.words(said, note.count)
            yield Task(_sentence(f"{text}."), None, False)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def when(epoch_ms: int) -> str:
    """A time for people."""
    return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
