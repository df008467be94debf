"""What was read of declarations is kept: until a byte changes, and where nobody else can write."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from stedi.declared import Declarations, _read, packaged, read_declarations

Seen = Callable[[Path], None]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stedi" / "declarations"


def anew(folder: Path | None = None, profile: str = "seed") -> Declarations:
    """As a new process reads them."""
    _read.cache_clear()
    return read_declarations(folder or packaged(), profile)


def shown(declarations: Declarations) -> list[object]:
    """All that is read of declarations without looking at SQL."""
    transforms = declarations.transforms.values()
    return [
        {**declarations.contracts},
        repr(declarations.contracts),
        declarations.fingerprint_of_all,
        [(t, t.inputs, t.sources, t.paired_by, t.sums_hold) for t in transforms],
        [declarations.read_by(t.table) for t in transforms],
        declarations.read_by_suspensions,
    ]


@pytest.mark.parametrize("profile", ["seed", "strict"])
def test_what_is_kept_is_what_was_read(cache: Path, profile: str) -> None:
    read = shown(anew(profile=profile))
    assert len([*cache.iterdir()]) == 1
    assert shown(anew(profile=profile)) == read
    assert len([*cache.iterdir()]) == 1


def test_a_changed_byte_is_seen(cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "declared"
    shutil.copytree(str(packaged()), folder)
    before = anew(folder)
    contract = folder / "contracts" / "accelerometer_landing.yaml"
    text = contract.read_text()
    assert "classification: quasi" in text
    contract.write_text(text.replace("classification: quasi", "classification: none", 1))
    after = anew(folder)
    columns = [d.contracts["accelerometer_landing"].columns for d in (before, after)]
    assert [c.classification for c in columns[0]] != [c.classification for c in columns[1]]
    assert len([*cache.iterdir()]) == 2


def flipped(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"direct", b"Direct", 1))


def of_another_kind(path: Path) -> None:
    packed = b"[]"
    path.write_bytes(sha256(packed).hexdigest().encode() + b"\n" + packed)


def writable_by_others(path: Path) -> None:
    weaken(path)
    path.chmod(0o666)


def in_a_folder_of_others(path: Path) -> None:
    weaken(path)
    path.parent.chmod(0o777)


def weaken(path: Path) -> None:
    """What an attacker would write: whole, and no column direct."""
    _, packed = path.read_bytes().split(b"\n")
    packed = packed.replace(b'"classification": "direct"', b'"classification": "none"')
    path.write_bytes(sha256(packed).hexdigest().encode() + b"\n" + packed)


def a_link(path: Path) -> None:
    weaken(path)
    elsewhere = path.rename(path.parent.parent / "elsewhere.json")
    path.symlink_to(elsewhere)
    elsewhere.chmod(0o666)


@pytest.mark.parametrize(
    "change", [flipped, of_another_kind, writable_by_others, in_a_folder_of_others, a_link]
)
def test_what_is_damaged_or_could_be_another_s_is_as_good_as_nothing(
    cache: Path, change: Seen
) -> None:
    read = shown(anew())
    [path] = cache.iterdir()
    change(path)
    assert shown(anew()) == read


def test_no_place_to_keep_it_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert anew().landing


def test_few_are_kept(cache: Path, tmp_path: Path) -> None:
    anew()
    [path] = cache.iterdir()
    for number in range(100):
        path.with_name(f"{number}.json").write_bytes(b"")
    folder = tmp_path / "declared"
    shutil.copytree(str(packaged()), folder)
    contract = folder / "contracts" / "customer_landing.yaml"
    contract.write_text(contract.read_text() + "\n")
    anew(folder)
    assert len([*cache.iterdir()]) <= 32


def test_only_facts_are_kept_and_nobody_else_can_read_them(cache: Path) -> None:
    anew()
    [path] = cache.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    json.loads(path.read_bytes().split(b"\n", 1)[1])


def test_what_is_kept_spares_the_modules_that_read_it(cache: Path) -> None:
    code = (
        "import sys; from stedi.declared import packaged, read_declarations as read; "
        "[read(packaged()).read_by(t) for t in read(packaged()).transforms]; "
        "print({'sqlglot', 'yaml', 'open_data_contract_standard'} & {*sys.modules})"
    )
    for expected in (3, 0):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.count("'") == 2 * expected, done.stderr
