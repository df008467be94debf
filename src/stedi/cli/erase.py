"""`stedi erase`: erases people from every file, proves it, and writes a receipt."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, BadParameter, Exit, Option, confirm

from stedi.cli import show
from stedi.cli.stopping import NOTHING_CHANGED
from stedi.cli.verb import Call, Engine, Master, stopping_with, verb
from stedi.errors import UsageError
from stedi.progress import reached
from stedi.text import counted, visible

if TYPE_CHECKING:
    from stedi.lakehouse import Lakehouse
    from stedi.rights.erase import Forgotten
    from stedi.rights.find import Found
    from stedi.rights.prove import Proof

_MOST_SHOWN = 20
SETTINGS = {"ignore_unknown_options": True}
"""Options that name subjects are those that contracts declare: no list of them is here."""


@verb(takes_long=True)
def erase(
    call: Call,
    who: Annotated[
        list[str] | None,
        Argument(
            metavar="--KIND VALUE...",
            help="The person to erase: --email ann@example.com. Contracts declare the kinds.",
        ),
    ] = None,
    subjects: Annotated[
        str | None,
        Option(
            metavar="FILE", help="One person a line: email=ann@example.com; - reads standard input."
        ),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Show the records of these people, and change nothing.")
    ] = False,
    yes: Annotated[bool, Option("--yes", "-y", help="Don't ask for confirmation.")] = False,
    verify: Annotated[
        bool, Option("--verify", help="Only search every byte for their identifiers.")
    ] = False,
    receipt: Annotated[
        Path | None, Option(metavar="FILE", help="Only check the seal of this receipt.")
    ] = None,
    with_shared: Annotated[
        bool,
        Option("--with-shared", help="Also erase other people's readings of a shared device."),
    ] = False,
    output: Annotated[
        Path | None,
        Option("--output", "-o", metavar="FILE", help="Also write the receipt to this file."),
    ] = None,
    engine: Engine = "duckdb",
    master: Master = None,
    wait: Annotated[
        float,
        Option(metavar="SECONDS", min=0, help="Wait for another run to end, at most this long."),
    ] = 0.0,
) -> None:
    """Erase people from every file of the lakehouse, prove it, and write a receipt."""
    lakehouse = call.lakehouse
    if receipt is not None:
        _check(call, receipt)
        return
    _refuse_misspelt(call, who or [])
    asked = [*_named(who or []), *(_read(lakehouse, subjects) if subjects else [])]
    if not asked:
        options = ", ".join(f"--{option}" for option in lakehouse.subject_options)
        raise BadParameter(f"say whom to forget: {options}, or --subjects FILE")
    if verify:
        proof = lakehouse.prove_erased(asked)
        call.show(_proof_as_json(proof), lambda: _show_proof(proof))
        _end(proof)
        return
    if dry_run:
        found = lakehouse.held(asked, with_shared=with_shared)
        call.show(_found_as_json(found), lambda: _show_found(found))
        return
    _erase(call, asked, yes, with_shared, output, subjects, engine=engine, master=master, wait=wait)


def _erase(
    call: Call,
    asked: Sequence[tuple[str, str]],
    yes: bool,
    with_shared: bool,
    output: Path | None,
    subjects: str | None,
    **options: Any,
) -> None:
    can_ask = sys.stdin.isatty() and subjects != "-" and not (call.quiet or call.as_json)
    if not (yes or can_ask):
        raise UsageError("there is no terminal to confirm at; look first, with "
                         "--dry-run, then add --yes")  # fmt: skip
    lakehouse = call.lakehouse

    def confirmed(found: Found) -> bool:
        if not (call.quiet or call.as_json):
            _show_found(found)  # which hides progress, so that a question can be asked
        return yes or confirm("Forget them?", default=False)

    stage = _Stage(lakehouse)
    with stopping_with(stage.what_is_true):
        forgotten = lakehouse.erase(
            asked,
            with_shared=with_shared,
            confirm=stage.confirmed_by(confirmed),
            reading=stage.reading,
            **options,
        )
    if forgotten is None:
        show.sentences("Nothing was done.")
        return
    path, text = lakehouse.receipt(forgotten)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    result = {
        "receipt": str(path),
        "proven": forgotten.proof.holds,
        "found": _found_as_json(forgotten.found),
        "verified": _proof_as_json(forgotten.proof),
        "remarks": list(forgotten.remarks),
    }
    call.show(result, lambda: _show_forgotten(forgotten, str(path)))
    _end(forgotten.proof)
    run = forgotten.run
    if run and (run.withheld or run.unmatched or run.refused or run.unread):
        from stedi.run import refuse_withheld

        refuse_withheld(run)


class _Stage:
    """How far an erasure has got, for what is true of it after Ctrl-C."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self._lakehouse = lakehouse
        self._is_confirmed = self._is_read = False

    def confirmed_by(self, confirm: Callable[[Found], bool]) -> Callable[[Found], bool]:
        """Note the answer."""

        def confirmed(found: Found) -> bool:
            self._is_confirmed = confirm(found)
            return self._is_confirmed

        return confirmed

    def reading(self, done: int, total: int) -> None:
        """Note that the records are gone: the proof reads what is left."""
        self._is_read = True
        reached(done, total)

    def what_is_true(self) -> str:
        """What holds if the erasure is stopped now."""
        if not self._is_confirmed:
            return NOTHING_CHANGED
        if self._is_read:
            return (
                "the records were erased, the proof was not finished, and the receipt says so; "
                "`stedi erase --verify` searches every byte again"
            )
        if self._lakehouse.is_erasing:
            return (
                "the erasure was begun and is not finished; the next `stedi run` finishes it, "
                "then `stedi erase --verify` searches every byte"
            )
        return "no erasure is half done; `stedi erase --verify` tells whether anything is left"


def _named(who: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Subjects by their options, as in `--email ann@example.com` or `--email=ann@example.com`."""
    words = iter(who)
    for word in words:
        if not word.startswith("--") or len(word) < 3:
            raise BadParameter(f"who: give each with its kind, as in --KIND VALUE, not {word!a}")
        name, equals, value = word[2:].partition("=")
        if not equals:
            following = next(words, None)
            if following is None:
                raise BadParameter(f"--{name}: needs a value")
            value = following
        yield name, value


def _refuse_misspelt(call: Call, who: Sequence[str]) -> None:
    """Refuse an option that names no kind of subjects, but is spelled almost as another option."""
    kinds = {*call.lakehouse.subject_options}
    own = {name.replace("_", "-") for f in (erase, Call) for name in signature(f).parameters}
    for word in who:
        name = word[2:].partition("=")[0]
        near = get_close_matches(name, sorted(own | kinds), n=1, cutoff=0.8)
        if word.startswith("--") and name not in kinds and near:
            raise BadParameter(f"there is no option --{name[:60]}; did you mean --{near[0]}?")


def _read(lakehouse: Lakehouse, subjects: str) -> list[tuple[str, str]]:
    if subjects == "-":
        return lakehouse.subjects_in(sys.stdin)
    try:
        with Path(subjects).open(encoding="utf-8-sig") as file:
            return lakehouse.subjects_in(file)
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"--subjects {subjects}: no such file, or no text in UTF-8") from None


def _check(call: Call, path: Path) -> None:
    content = call.lakehouse.check_receipt(path)
    verified = content["verified"]
    what = "it was proven that nothing is left" if verified["proven"] else "it was NOT proven"
    what = "the proof was NOT made yet" if verified["at"] is None else what
    call.show(content, lambda: show.sentences(f"The seal of {path} holds; {what}."))


def _end(proof: Proof) -> None:
    if not proof.holds:
        raise Exit(1)


def _show_found(found: Found) -> None:
    for identity in found.identities[:_MOST_SHOWN]:
        how = "asked for" if identity.asked else "theirs"
        show.sentences(f"{identity.kind} {visible(identity.value)} ({how})")
    if len(found.identities) > _MOST_SHOWN:
        show.sentences(f"and {len(found.identities) - _MOST_SHOWN:,} more")
    rows: list[tuple[str, str, int]] = []
    for raw in found.landing:
        place = f"{raw.source}/landing/{visible(raw.name)}"
        rows += [("landing", place, raw.records)] if raw.records else []
        rows += [("landing, quarantined", place, raw.pieces)] if raw.pieces else []
    for table in found.tables:
        count = counted(len(table.snapshots), "snapshot")
        now = "now and before" if len(table.snapshots) > 1 else "now"
        when = f"{count}, {now}" if table.is_current else f"{count}, earlier"
        rows.append((table.table, f"{table.file.path.name}, {when}", len(table.rows)))
    for kept in found.versions:
        place = f"{kept.source}/landing/{kept.name}" if kept.source else kept.name
        rows.append(("earlier version", f"{visible(place)}, {kept.version}", kept.records))
    if rows:
        show.table(("where", "file", "rows"), rows)
    else:
        show.sentences("There are no records of them.")
    for shared in found.shared:
        _show_shared(found, shared)
    if found.spelled:
        show.sentences("Also there? Spelled alike, and left as it is unless you ask for it:")
        for (kind, value), number in sorted(found.spelled.items()):
            show.sentences(f"  {kind} {visible(value)!a}: {counted(number, 'row')}")
    if found.mentions:
        show.sentences("Also there? Records about others that mention them, and stay the others':")
        for mention in found.mentions:
            show.sentences(f"  {visible(mention.file)}: {counted(mention.records, 'record')}")


def _show_shared(found: Found, shared: Any) -> None:
    identity = shared.identity
    kept = found.kept.get((identity.kind, identity.value), 0)
    since = "from their own time with it" if shared.known else "as far as their time is known"
    show.sentences(
        f"{identity.kind} {visible(identity.value)}: {counted(shared.others, 'other person')} "
        f"had it too; {counted(kept, 'row')} stay, taken {since}. What was taken before goes."
    )


def _show_forgotten(forgotten: Forgotten, receipt: str) -> None:
    sources = Counter[str]()
    for raw in forgotten.found.landing:
        sources[raw.source] += len(raw.places)
    for source, count in sorted(sources.items()):
        show.sentences(f"{counted(count, 'record')} taken out of the raw files of {source}.")
    if forgotten.run:
        built = ", ".join(built.table for built in forgotten.run.built)
        show.sentences(f"Updated: {built or 'nothing had to be'}.")
    show.remarks(forgotten.remarks)
    _show_proof(forgotten.proof)
    show.sentences(f"Receipt: {receipt}")


def _show_proof(proof: Proof) -> None:
    traced = proof.traced
    show.sentences(
        f"{counted(traced.files, 'file')}, {counted(traced.bytes, 'byte')} read, raw and decoded: "
        + ("nothing of theirs is left." if proof.holds else "NOT proven.")
    )
    if proof.mentions:
        show.sentences("Records about others that mention them stay, since they are the others':")
        for mention in proof.mentions:
            show.sentences(f"  {visible(mention.file)}: {counted(mention.records, 'record')}")
    for one in traced.exact:
        file = visible(one.file)
        show.sentences(f"  {file}, {one.where}: {one.identity.kind}, {one.form}")
    for name in traced.unreadable:
        show.sentences(f"  {visible(name)}: can't be read")
    for place, count in proof.left.items():
        show.sentences(f"  {visible(place)}: {counted(count, 'record')} left")
    spelled = sorted({one.file for one in traced.traces if not one.is_exact})
    if spelled:
        show.sentences("Spelled alike, and left as it is:")
        for name in spelled:
            show.sentences(f"  {visible(name)}")


def _found_as_json(found: Found) -> dict[str, Any]:
    from stedi.landing.erased import Keyer
    from stedi.rights.receipt import found_as_json

    return found_as_json(found, Keyer.of_user())


def _proof_as_json(proof: Proof) -> dict[str, Any]:
    return {
        "proven": proof.holds,
        "files": proof.traced.files,
        "bytes": proof.traced.bytes,
        "still_there": [
            {"file": one.file, "where": one.where, "form": one.form, "kind": one.identity.kind}
            for one in proof.traced.exact
        ],
        "spelled_otherwise": sorted({t.file for t in proof.traced.traces if not t.is_exact}),
        "could_not_be_read": list(proof.traced.unreadable),
        "mentioned_by_others": {one.file: one.records for one in proof.mentions},
        "records_left": dict(proof.left),
    }
