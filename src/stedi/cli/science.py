"""`stedi release`, `train` and `predict`: data sets, models, and their predictions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, echo

from stedi.cli import show
from stedi.cli.query import Format, FormatOption, Output, chosen_format, show_rows
from stedi.cli.verb import Call, Json, PublishedTable, verb
from stedi.errors import UsageError
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.science.private_release import PrivateRelease
    from stedi.science.release import Release
    from stedi.science.training import Training


@verb(
    takes_long=True,
    stopped="the folder is there as a whole or not at all, as `stedi releases` lists it; what a "
    "private release has charged pays for the same release when it is asked for again",
)
def release(
    call: Call,
    folder: Annotated[Path, Argument(metavar="DIR", help="A new folder for the data set.")],
    table: PublishedTable = None,
    licence: Annotated[
        str | None,
        Option("--license", metavar="TEXT", help="Licence of the data set, best a URL."),
    ] = None,
    recipient: Annotated[
        str | None, Option(metavar="NAME", help="Recipient, for `stedi releases`.")
    ] = None,
    now: Annotated[
        bool,
        Option("--now", help="Release even if few people joined or left since an earlier release."),
    ] = False,
    private: Annotated[
        bool,
        Option("--private", help="Release synthetic rows under differential privacy."),
    ] = False,
    epsilon: Annotated[
        float | None,
        Option(metavar="E", help="With --private: the privacy loss. [default: as declared]"),
    ] = None,
    wait: Annotated[
        float,
        Option(
            metavar="SECONDS",
            min=0,
            help="With --private: wait for another run to end, at most this long.",
        ),
    ] = 0.0,
) -> None:
    """Write the published table as a data set, if it passes its audit."""
    if private:
        if now:
            raise UsageError("--now: a private release waits until it is due; leave it out")
        made = call.lakehouse.release_private(
            folder, table=table, licence=licence, recipient=recipient, epsilon=epsilon, wait=wait
        )
        call.show(
            {**asdict(made), "folder": str(made.folder)}, lambda: _show_private(made, licence)
        )
        return
    if epsilon is not None:
        raise UsageError("--epsilon: of a private release; add --private")
    released = call.lakehouse.release(
        folder, table=table, licence=licence, recipient=recipient, now=now
    )
    as_text = {"folder": str(released.folder), "snapshot": str(released.snapshot)}
    call.show({**asdict(released), **as_text}, lambda: _show_release(released, licence))


def _show_release(released: Release, licence: str | None) -> None:
    show.table(("file", "bytes"), released.files.items())
    show.sentences(f"{released.rows:,} rows of {released.table} in {released.classes:,} classes.")
    show.remarks(released.tells)
    _ask_for_licence(licence)
    show.sentences(f"Read {released.folder / 'README.md'} before you pass it on.")


def _ask_for_licence(licence: str | None) -> None:
    if not licence:
        show.sentences(
            "Licence not stated: nobody knows what recipients may do with the data set. "
            "`stedi release DIR --license URL` states it."
        )


def _show_private(made: PrivateRelease, licence: str | None) -> None:
    show.table(("file", "bytes"), made.files.items())
    show.sentences(
        f"{made.rows:,} synthetic rows of {made.published}, epsilon {made.epsilon:g} at delta "
        f"{made.delta:g} for each person; also as the table {made.table}."
    )
    cost = "Charged" if made.is_new else f"Nothing charged: these are the rows of {made.at}, of"
    show.sentences(
        f"{cost} rho {made.rho:.4g}. Spent for ever: {made.spent:.4g} of {made.cap:.4g}. What "
        f"changes takes effect in a release from {made.due} on."
    )
    shares = ", ".join(f"{n} of epsilon {e:.2g}" for n, e in made.left_for.items())
    show.sentences(f"What is left is enough for one of these: {shares}.")
    _ask_for_licence(licence)
    show.sentences(f"Read {made.folder / 'README.md'} before you pass it on.")


@verb(takes_long=True, stopped="no model was kept")
def train(
    call: Call,
    folder: Annotated[Path, Argument(metavar="DIR", help="A new folder for the model.")],
    table: PublishedTable = None,
    threshold: Annotated[float, Option(metavar="P", help="Decision threshold.")] = 0.5,
    recipient: Annotated[
        str | None, Option(metavar="NAME", help="Recipient of the model, for `stedi releases`.")
    ] = None,
    sample: Annotated[
        int | None,
        Option(metavar="ROWS", min=1, help="Learn from about this many rows, which is faster."),
    ] = None,
    licence: Annotated[
        str | None,
        Option("--license", metavar="TEXT", help="Licence of the model, best a URL."),
    ] = None,
) -> None:
    """Train models on the published table, and test them on raw rows of other people."""
    lakehouse = call.lakehouse
    trained = lakehouse.train(
        folder, table=table, threshold=threshold, recipient=recipient, sample=sample,
        licence=licence,
    )  # fmt: skip
    call.show(trained, lambda: _show_training(trained, folder))


def _show_training(trained: Training, folder: Path) -> None:
    show.sentences(f"{trained.task[0].upper()}{trained.task[1:]}:")
    rows = [
        (name, data, f"{m.auc}", f"{m.average_precision}", f"{kept or ''}")
        for name, model in trained.models.items()
        for data, m, kept in (("published", model.published, model.kept), ("raw", model.raw, None))
    ]
    if rows:
        show.table(("model", "trained on", "ROC AUC", "average precision", "kept"), rows)
    if not trained.models:
        show.sentences(f"{trained.rows:,} matched readings of {trained.people:,} people.")
        show.sentences(trained.verdict)
        show.sentences(
            f"No model was trained; {folder} has only the reason, in README.md and figures.json. "
            "Train with more people: a smaller --sample has fewer."
        )
        return
    show.sentences(
        f"{trained.rows:,} matched readings of {trained.people:,} people in {trained.folds} folds, "
        f"each tested by models that learnt from the others; {trained.rows_across:,} matched "
        "readings of people in two folds were not tested on."
    )
    show.sentences(trained.verdict)
    show.sentences(f"Written to {folder}; README.md there is the model card.")


@verb(without=["quiet"])
def predict(
    call: Call,
    model: Annotated[Path, Argument(metavar="DIR", help="Folder of a trained model.")],
    files: Annotated[list[Path], Argument(metavar="FILE...", help="Files with new raw records.")],
    format_: FormatOption = Format.table,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Predict from accelerometer records whether a foot is near, with a trained model."""
    format_ = chosen_format(format_, output, as_json)
    predicted = call.lakehouse.predict(model, files)
    for reason, count in predicted.set_aside.items():
        echo(f"{counted(count, 'record')} can't be read: {reason}", err=True)
    show_rows(predicted.rows.to_reader(), format_, output)
