"""A private release: opened with tools that aren't ours, in its own table, of any declared table."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from stedi import Lakehouse
from stedi.declared import packaged
from stedi.errors import NotAnonymous, UsageError
from stedi.science.private_release import PrivateRelease
from tests.support import noisy
from tests.support.processes import stedi

COLUMNS = ["distancefromobject", "x", "y", "z"]
FILE = "machine_learning_synthetic.parquet"
LICENCE = "https://example.org/licence"


@pytest.fixture(scope="module")
def own(walking: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """The lakehouse of people who walk, rebuilt elsewhere: releases are charged to it alone."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(walking.root, folder / "root", ignore=shutil.ignore_patterns("budget"))
    lakehouse = Lakehouse(folder / "root")
    lakehouse.run(full=True)
    return lakehouse


@pytest.fixture(scope="module")
def made(own: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> PrivateRelease:
    """A private release of theirs; read it only."""
    folder = tmp_path_factory.mktemp("released") / "synthetic"
    return own.release_private(folder, licence=LICENCE, recipient="The public")


def test_pandas_reads_it(made: PrivateRelease) -> None:
    import pandas as pd

    table = pd.read_parquet(made.folder / FILE)
    assert list(table.columns) == COLUMNS
    assert len(table) == made.rows
    assert not table.isna().any().any()
    assert (table.distancefromobject % 1 == 0).all()


def test_the_folder_has_what_it_says(made: PrivateRelease) -> None:
    assert {*made.files} == {"README.md", "SHA256SUMS", "croissant.json", FILE}
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=made.folder, check=True)


def test_croissant_describes_it(made: PrivateRelease) -> None:
    import mlcroissant

    data_set = mlcroissant.Dataset(jsonld=str(made.folder / "croissant.json"))
    assert not data_set.metadata.issues.errors
    assert not data_set.metadata.issues.warnings
    assert "epsilon 1 at delta 1e-06, adding or removing one person" in (
        data_set.metadata.description
    )
    records = sum(1 for _ in data_set.records(record_set="machine_learning_synthetic"))
    assert records == made.rows


def test_the_data_sheet_has_every_constant(made: PrivateRelease) -> None:
    text = (made.folder / "README.md").read_text()
    contract = yaml.safe_load(
        (packaged() / "contracts" / "machine_learning_curated.yaml").read_text()
    )
    properties = {p["property"]: p["value"] for p in contract["schema"][0]["customProperties"]}
    private = properties["publication"]["private"]
    for warp in private["warps"]:
        assert f"| `{warp['column']}` | {warp['centre']:g} | {warp['spread']:g} |" in text
    first = private["resolutions"][0]
    rho = noisy.rho_of(1.0, 1e-6)
    for told in (
        "Synthetic rows: none of them was measured",
        "The unit of privacy is a person",
        "epsilon 1 at delta 1e-06",
        f"clipped (L2) at C | {first['clip']} |",
        f"count as, at most | {private['rowsPerPerson']} |",
        "coefficients released, K | 232 |",
        "| all, up to now | " + f"{rho:.6f}"[:6],
        f"| cap for a lifetime | {noisy.rho_of(3.0, 1e-6):.3g}",
        f"sigma in units of the sensitivity | {(1 / (2 * rho)) ** 0.5:.3g}",
        "OpenDP 0.",
        "Facts about everybody",
        LICENCE,
    ):
        assert told in " ".join(text.split()), told


def test_the_same_rows_are_in_a_table_of_their_own(own: Lakehouse, made: PrivateRelease) -> None:
    """At its own prefix, where there is nothing else; its metadata names no other place."""
    table = own.query("SELECT * FROM machine_learning_synthetic").to_arrow()
    released = pq.read_table(made.folder / FILE)
    assert (
        table.select(COLUMNS)
        .sort_by([(c, "ascending") for c in COLUMNS])
        .equals(released.cast(table.schema).sort_by([(c, "ascending") for c in COLUMNS]))
    )
    folder = own.root / "step_trainer" / "synthetic"
    assert {path.name for path in folder.iterdir()} == {"data", "metadata"}
    for path in (folder / "metadata").glob("*.json"):
        places = re.findall(r"step_trainer/(\w+)", path.read_text())
        assert {*places} == {"synthetic"}
    assert own.status().ok
    assert own.run().built == ()
    assert own.audit().ok is not None  # the published table is as it was


def test_what_was_damaged_is_written_again(
    own: Lakehouse, made: PrivateRelease, tmp_path: Path
) -> None:
    [file] = (own.root / "step_trainer" / "synthetic" / "data").rglob("*.parquet")
    file.unlink()
    status = own.status()
    assert not status.ok
    assert "`stedi release DIR --private` rebuilds it" in status.problems[0]
    # The lakehouse doesn't reconcile, and this is what mends it.
    again = own.release_private(tmp_path / "again")
    assert (again.is_new, again.rows) == (False, made.rows)
    assert own.status().ok
    # Of the same size, so that only who reads it notices; no run mends it, `--full` least of all.
    [file] = (own.root / "step_trainer" / "synthetic" / "data").rglob("*.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert own.status().ok
    [problem] = own.status(verify=True).problems
    assert problem.endswith("its content was changed; `stedi release DIR --private` rebuilds it")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEDI_SECRET", "another one, which somebody else has made")
        told = [p for p in own.status(verify=True).problems if "synthetic" in p]
        assert told and all(p.endswith("set STEDI_SECRET to that one") for p in told), told
    own.release_private(tmp_path / "and again")
    assert own.status(verify=True).ok


def test_rows_are_like_the_data(own: Lakehouse, made: PrivateRelease) -> None:
    """Means and shares of 800 people, at epsilon 1, by DuckDB."""
    figures = (
        "SELECT AVG(x), AVG(y), AVG(z), AVG(distancefromobject), STDDEV(distancefromobject), "
        "AVG(CASE WHEN distancefromobject < 250 THEN 1.0 ELSE 0.0 END)"
    )
    [file] = (own.root / "step_trainer" / "curated" / "data").rglob("*.parquet")
    [was] = duckdb.execute(f"{figures} FROM '{file}'").fetchall()
    [now] = duckdb.execute(f"{figures} FROM '{made.folder / FILE}'").fetchall()
    off = np.abs(np.array(now) - np.array(was))
    assert (off < [0.05, 0.05, 0.05, 20, 25, 0.08]).all(), (was, now)


def test_programs_get_it_as_json(own: Lakehouse, made: PrivateRelease, tmp_path: Path) -> None:
    at = ("--root", str(own.root))
    told = json.loads(stedi("release", tmp_path / "out", "--private", "--json", *at))
    assert (told["epsilon"], told["delta"], told["is_new"]) == (1.0, 1e-6, False)
    assert told["rho"] == pytest.approx(noisy.rho_of(1.0, 1e-6), rel=1e-3)
    assert told["left_for"]["1"] > told["left_for"]["2"] > told["left_for"]["12"] > 0
    shown = stedi("release", tmp_path / "shown", "--private", *at)
    assert "Nothing charged: these are the rows of" in shown
    assert "What is left is enough for one of these: 1 of epsilon" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--epsilon", "1"), "add --private"),
        (("--private", "--now"), "leave it out"),
        (("--private", "--epsilon", "0"), "from 0.01 to 20"),
        (("--private", "--epsilon", "4"), "may have 3"),
        (("--private", "--table", "customer_curated"), "the published tables are"),
    ],
)
def test_wrong_use_is_told(
    own: Lakehouse, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    told = stedi("release", tmp_path / "out", *options, "--root", str(own.root), check=2)
    assert said in " ".join(told.split())
    assert not (tmp_path / "out").exists()


def test_without_opendp_it_says_what_to_install(own: Lakehouse, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['opendp'] = None\n"
        "import stedi\n"
        f"try: stedi.Lakehouse({str(own.root)!r}).release_private({str(tmp_path / 'o')!r}, "
        "epsilon=0.7)\n"
        "except stedi.Unavailable as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "[private]'" in done.stdout, done.stderr


def test_a_contract_without_it_has_no_private_release(own: Lakehouse, tmp_path: Path) -> None:
    folder = tmp_path / "declarations"
    shutil.copytree(str(packaged()), folder)
    contract = folder / "contracts" / "machine_learning_curated.yaml"
    text = contract.read_text()
    contract.write_text(re.sub(r"          private:\n(?:            .*\n)+", "", text))
    with pytest.raises(UsageError, match="its contract declares none"):
        Lakehouse(own.root, declarations=folder).release_private(tmp_path / "out")


def test_a_table_that_is_withheld_is_released_privately_all_the_same(tmp_path: Path) -> None:
    """Too few people for classes of five: noise needs none, and tells little of so few."""
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=6, seed=1)
    with pytest.raises(NotAnonymous):
        lakehouse.run()
    made = lakehouse.release_private(tmp_path / "out")
    assert made.rows >= 2
    assert made.is_new


def test_the_code_of_it_names_no_table_of_stedis() -> None:
    import stedi

    package = Path(stedi.__file__).parent
    modules = [
        *(package / "privacy" / "private").glob("*.py"),
        package / "declared" / "private.py",
        package / "rights" / "budget.py",
        *(package / "science").glob("private_*.py"),
    ]
    assert len(modules) == 8
    for module in modules:
        text = module.read_text()
        for word in ("accelerometer", "step_trainer", "customer", "fromobject", "machine_learning"):
            assert word not in text, (module, word)
