"""Records are cut out of lists so that what is left is the list of all others."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from stedi.landing.cut import cut

SEPARATORS = [",", ", ", ",\n", "\n,", " ,\r\n  "]
EDGES = ["", "\n", " ", "\r\n\t"]


@given(
    st.lists(st.booleans(), min_size=1, max_size=7),
    st.sampled_from(SEPARATORS),
    st.tuples(st.sampled_from(EDGES), st.sampled_from(EDGES)),
    st.sampled_from([None, 2]),
    st.sampled_from([".json", ".json.gz", ".json.zst"]),
)
def test_a_list_stays_a_list_of_all_others(
    tmp_path_factory: object,
    gone: list[bool],
    separator: str,
    edges: tuple[str, str],
    indent: int | None,
    suffix: str,
) -> None:
    folder = tmp_path_factory.mktemp("cut")  # type: ignore[attr-defined]
    text, spans = f"[{edges[0]}", []
    for number, is_gone in enumerate(gone):
        record = json.dumps({"n": number}, indent=indent)
        text += separator if number else ""
        spans += [(len(text), len(text) + len(record))] if is_gone else []
        text += record
    path = folder / f"a{suffix}"
    path.write_bytes(_packed(f"{text}{edges[1]}]".encode(), suffix))
    has_rest = cut(path, spans, folder / "target")
    left = json.loads(_unpacked((folder / "target").read_bytes(), suffix))
    assert left == [{"n": n} for n, is_gone in enumerate(gone) if not is_gone]
    assert has_rest == bool(left)
    assert sorted(p.name for p in folder.iterdir()) == sorted([path.name, "target"])


def _packed(data: bytes, suffix: str) -> bytes:
    if suffix.endswith("gz"):
        return gzip.compress(data)
    return zstandard.compress(data) if suffix.endswith("zst") else data


def _unpacked(data: bytes, suffix: str) -> bytes:
    if suffix.endswith("gz"):
        return gzip.decompress(data)
    return zstandard.decompress(data) if suffix.endswith("zst") else data


def test_what_of_a_damaged_archive_could_be_unpacked_stays(tmp_path: Path) -> None:
    lines = [f'{{"n": {n}}}\n'.encode() for n in range(2000)]
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b"".join(lines))[:-2000])
    begin = len(b"".join(lines[:3]))
    assert cut(path, [(begin, begin + len(lines[3]) - 1)], tmp_path / "target")
    left = gzip.decompress((tmp_path / "target").read_bytes())
    assert left.startswith(lines[0] + lines[1] + lines[2] + lines[4])
    assert b"".join(lines[:3] + lines[4:]).startswith(left)
