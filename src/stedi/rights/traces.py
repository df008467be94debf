"""The proof: searches every byte of a lakehouse, raw and decoded, for identifiers in any form.

Parquet files are searched four times: their bytes, their values, the least and greatest values that
they note, and their Bloom filters. Archives are unpacked, Avro and SQLite files decoded, escapes in
text undone. Names of files count, and so does what a bucket keeps beside its objects.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, compress, pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stedi.arrays import Bools
from stedi.landing.fold import fold
from stedi.rights import decoded
from stedi.rights.bloom import BloomFilter, Hashed, filters_of
from stedi.rights.forms import ENDINGS, Form, forms_of, is_text, stands_whole
from stedi.rights.search import Searcher
from stedi.rights.subjects import Identity
from stedi.rights.whole import unescaped
from stedi.roots import Files, Remainder
from stedi.roots.remainders import copies

_BLOCK = 1 << 23
_AROUND = 1 << 13
"""Bytes around what is found that tell whether it stands there as a whole."""
_SHORTEST_IN_BINARY = 6
_LONGEST_RESPELLED = 64
_DEEPEST = 8
_HEAD = 512
_MARKS = re.compile(rb"[\\%&]")
"""What escapes in a text begin with."""


@dataclass(frozen=True, order=True)
class Trace:
    """That something still holds an identifier: in which file, where in it, and in what form.

    `is_exact` says whether it is the identifier itself; otherwise it is spelled like it.
    """

    file: str
    where: str
    form: str
    identity: Identity = field(compare=False)
    is_exact: bool = True


@dataclass(frozen=True)
class Traced:
    """What was read, and what was found; `unreadable` are things that nobody can look into."""

    files: int
    bytes: int
    traces: tuple[Trace, ...]
    unreadable: tuple[str, ...]

    @property
    def exact(self) -> tuple[Trace, ...]:
        """Traces of the identifiers themselves."""
        return tuple(trace for trace in self.traces if trace.is_exact)


class Looking:
    """Looks for identities in bytes and in files, as `trace` does, whichever they are of."""

    def __init__(self, identities: Sequence[Identity]) -> None:
        self._tracing = _Tracing(None, identities, lambda done, total: None)

    def is_in(self, data: bytes) -> bool:
        """Whether bytes have an identifier itself, in any form."""
        tracing = self._fresh()
        tracing.text(data, "", "")
        return any(one.is_exact for one in tracing.found)

    def among(self, values: pa.Array) -> Bools:
        """Which texts or bytes of an array have an identifier itself, in any form."""
        has: Bools = np.zeros(len(values), np.bool_)
        for number in self._tracing.likely(values):
            value = values[number].as_py()
            data = value if isinstance(value, bytes) else value.encode(errors="replace")
            has[number] = self.is_in(data)
        return has

    def in_file(self, path: Path, name: str) -> list[Trace]:
        """What is found in a file of this machine, which is called `name`; raises `OSError`."""
        tracing = self._fresh()
        tracing.local(path, name)
        return sorted(tracing.found)

    def _fresh(self) -> _Tracing:
        tracing = copy(self._tracing)
        tracing.found = set()
        return tracing


def trace(
    files: Files,
    identities: Sequence[Identity],
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    only_remainders: bool = False,
) -> Traced:
    """Read every file of a lakehouse for identifiers; `progress` gets bytes done and in all.

    With `only_remainders`, only what the storage keeps beside its files. Raises `OSError`, and
    `Unavailable` for a bucket.
    """
    return _Tracing(files, identities, progress).trace(only_remainders)


@lru_cache(1)  # who is looked for before an erasure is looked for afterwards
def _sought(identities: tuple[Identity, ...]) -> tuple[list[Form], Searcher]:
    """All forms of some identities, and what finds them."""
    forms = [form for identity in identities for form in forms_of(identity)]
    return forms, Searcher([form.data for form in forms])


class _Tracing:
    def __init__(
        self,
        files: Files | None,
        identities: Sequence[Identity],
        progress: Callable[[int, int], None],
    ) -> None:
        self._below, self._progress = files, progress
        self._identities = list({(i.kind, i.value): i for i in identities}.values())
        self._forms, self._searcher = _sought(tuple(self._identities))
        self._by_value = {i.value.encode(errors="replace"): i for i in self._identities}
        self._short = {value for value in self._by_value if len(value) < _SHORTEST_IN_BINARY}
        self._sought = Hashed(self._by_value)
        self.found: set[Trace] = set()
        self.unreadable: set[str] = set()
        self._lock = threading.Lock()
        self._done = self._total = 0

    @property
    def _files(self) -> Files:
        assert self._below is not None
        return self._below

    def trace(self, only_remainders: bool) -> Traced:
        listed = [] if only_remainders else sorted(self._files.below(self._files.root))
        remainders = [*self._files.remainders()]
        versions = [r for r in remainders if r.upload is None and r.size]
        self._total = sum(stat.size for _, stat in listed) + sum(r.size or 0 for r in versions)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(self._file, (path for path, _ in listed)):
                pass
        for remainder in versions:
            self._version(remainder)
        unreadable = [
            f"{self._name(r.path)}, an upload that never ended" for r in remainders if r.upload
        ]
        unreadable += [] if only_remainders else self._links_out()
        unreadable += sorted(self.unreadable)
        count = len(listed) + len(versions)
        return Traced(count, self._done, tuple(sorted(self.found)), tuple(unreadable))

    def _links_out(self) -> list[str]:
        """Links that lead out of a local root: what they lead to is not read.

        Names of empty folders are looked through, too: they are no part of a file's name.
        """
        root = self._files.root
        if not self._files.holds(root):
            return []
        out = []
        for path in root.rglob("*"):
            name = self._name(path)
            if path.is_symlink() and not self._files.holds(path):
                out.append(f"{name}, a link that leads out")
            elif path.is_dir() and not any(path.iterdir()):
                self.text(path.name.encode(errors="replace"), name, "its name")
        return out

    def _name(self, path: Path) -> str:
        return path.relative_to(self._files.root).as_posix()

    def _version(self, remainder: Remainder) -> None:
        name = f"{self._name(remainder.path)}, version {remainder.version}"
        for _, copied in copies(self._files, [remainder]):
            self.local(copied, name)

    def _file(self, path: Path) -> None:
        name = self._name(path)
        self.text(ENDINGS.sub("", name).encode(errors="replace"), name, "its name")
        with suppress(FileNotFoundError):  # gone meanwhile
            was_here = path.exists()
            if not was_here:
                self._files.fetch([path])
            try:
                self.local(path, name)
            finally:
                if not was_here:
                    path.unlink(missing_ok=True)  # a copy, and there may be no room for all

    def local(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            self._stream(file, name, "its bytes", counts=True)
            file.seek(0)
            self._decoded(file, path, name, 0)

    def _decoded(self, file: IO[bytes], path: Path | None, name: str, depth: int) -> None:
        """Look through the decoded content of a file, and what is packed in that."""
        head = file.read(_HEAD)
        file.seek(0)
        if is_text(head):  # which may begin like anything, and may have an archive behind it
            head = b""
        try:
            if head.startswith(decoded.AVRO):
                for block in decoded.avro_blocks(file):
                    self.text(block, name, "its records")
            elif head.startswith(decoded.SQLITE):
                for values in decoded.sqlite_values(file, path):
                    self.text(values, name, "its rows")
            elif head.startswith(decoded.PARQUET):
                self._parquet(path or file, file, name)
            elif head.startswith((decoded.ORC, decoded.ARROW)):
                for batch in decoded.batches(file, head):
                    for column, array in zip(batch.schema.names, batch.columns, strict=True):
                        for leaf in _leaves(array):
                            self._values(leaf, name, f"values of {column}")
            elif opens := decoded.archived(head):
                self._packed(opens(file), name, "what is packed in it", depth)
            elif head[257:262] == decoded.TAR or decoded.is_zip(file):
                for member, content in decoded.members(file):
                    where = f"{member} in it"
                    self.text(ENDINGS.sub("", member).encode(errors="replace"), name, where)
                    if content is None:
                        self.unreadable.add(f"{name}, {member} in it, which can't be unpacked")
                    else:
                        self._packed(content, name, where, depth)
        except KeyError:
            self.unreadable.add(f"{name}, which is packed in a way that isn't known here")
        except pa.ArrowException:
            if not head.startswith((decoded.ORC, decoded.ARROW)):
                raise
            self.unreadable.add(f"{name}, which can't be decoded")

    def _packed(self, content: IO[bytes], name: str, where: str, depth: int) -> None:
        """Look through a content that comes once, and through what it says once it is decoded."""
        blocks = decoded.blocks(content, _BLOCK)
        first = next(blocks, b"")
        if is_text(first[:_HEAD]) or not decoded.is_container(first[:_HEAD]):
            self._blocks(chain([first], blocks), name, where)
            return
        if depth >= _DEEPEST:
            self.unreadable.add(f"{name}, which is packed more than {_DEEPEST} times")
            return
        with TemporaryFile() as file:
            for block in chain([first], blocks):
                file.write(block)
            file.seek(0)
            self._blocks(decoded.blocks(file, _BLOCK), name, where)
            file.seek(0)
            self._decoded(file, None, name, depth + 1)

    def _stream(self, file: IO[bytes], name: str, where: str, *, counts: bool = False) -> None:
        self._blocks(decoded.blocks(file, _BLOCK), name, where, counts=counts)

    def _blocks(
        self, blocks: Iterable[bytes], name: str, where: str, *, counts: bool = False
    ) -> None:
        """Look through a content, block by block, each with the end of the one before."""
        before = b""
        overlap = max(_AROUND, self._searcher.longest)
        for block in blocks:
            self.text(before + block, name, where)
            before = block[-overlap:]
            if counts:
                self._count(len(block))

    def _count(self, size: int) -> None:
        with self._lock:
            self._done += size
            self._progress(self._done, self._total)

    def text(self, data: bytes, name: str, where: str) -> None:
        """Look through bytes, and through what they say with escapes undone."""
        self._bytes(data, name, where)
        for how, layer in decoded.layers(data):
            self._bytes(layer, name, f"{where}, {how}")

    def _bytes(self, data: bytes, name: str, where: str) -> None:
        is_binary = b"\0" in data
        for begin, number in self._searcher.find(data):
            form = self._forms[number]
            end = begin + len(form.data)
            if is_binary and len(form.data) < _SHORTEST_IN_BINARY and where == "its bytes":
                continue
            self._judge(form, data, begin, end, name, where)

    def _judge(self, form: Form, data: bytes, begin: int, end: int, name: str, where: str) -> None:
        is_same = data[begin:end] == form.data
        if not is_same and form.shape in ("base64", "any") and not _is_hexadecimal(form.data):
            return
        if stands_whole(form, data, begin, end):
            is_exact = form.is_exact and (is_same or form.shape in ("hex", "any"))
            is_exact = is_exact and not _is_respelled(form, data, begin, end)
            self._add(Trace(name, where, form.name, form.identity, is_exact))

    def _add(self, found: Trace) -> None:
        with self._lock:
            self.found.add(found)

    def _parquet(self, source: Path | IO[bytes], file: IO[bytes], name: str) -> None:
        try:
            with pq.ParquetFile(source) as plain:
                schema, metadata = plain.schema_arrow, plain.metadata
            coded = [f.name for f in schema if pa.types.is_string(f.type)]
            try:
                self._row_groups(pq.ParquetFile(source, read_dictionary=coded), file, name)
            except (pa.ArrowException, OSError):  # not every encoding can be read as it is coded
                self._row_groups(pq.ParquetFile(source), file, name)
            self._statistics(metadata, name)
        except (pa.ArrowException, OSError):
            self.unreadable.add(f"{name}, which can't be decoded")

    def _row_groups(self, opened: pq.ParquetFile, file: IO[bytes], name: str) -> None:
        with opened:
            texts = [f.name for f in opened.schema_arrow if _has_bytes(f.type)]
            for number in range(opened.metadata.num_row_groups):
                group = opened.read_row_group(number, texts)
                where = f"row group {number}"
                for column in texts:
                    values = [leaf for c in group.column(column).chunks for leaf in _leaves(c)]
                    for array in values:
                        self._values(array, name, f"values of {column}, {where}")
                    self._filters(file, opened.metadata, number, column, values, name)

    def _statistics(self, metadata: Any, name: str) -> None:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for index in range(group.num_columns):
                chunk = group.column(index)
                found = chunk.statistics
                if found is not None and found.has_min_max and found.physical_type == "BYTE_ARRAY":
                    where = f"statistics of {chunk.path_in_schema}, row group {number}"
                    for value in (found.min, found.max):
                        self.text(decoded.text_of(value), name, where)

    def _values(self, array: pa.Array, name: str, where: str) -> None:
        offsets, data = _laid_out(array)
        if self._short:
            for value in self._short & _short(offsets, data):
                self._add(Trace(name, where, "as it is", self._by_value[value]))
        for begin, number in self._searcher.find(data):
            form = self._forms[number]
            index = int(np.searchsorted(offsets, begin, "right")) - 1
            first, last = int(offsets[index]), int(offsets[index + 1])
            if begin + len(form.data) <= last:
                value = bytes(data[first:last])
                self._judge(form, value, begin - first, begin - first + len(form.data), name, where)
        if any(mark in data for mark in (b"\\", b"%", b"&")):
            parts = (data[a:b] for a, b in pairwise(offsets))
            for how, layer in decoded.layers(b"\n".join(parts)):
                self._bytes(layer, name, f"{where}, {how}")

    def likely(self, values: pa.Array) -> list[int]:
        """Which texts may have an identifier: those that have bytes of a form, or are escaped."""
        offsets, data = _laid_out(values)
        begins = [begin for begin, _ in self._searcher.find(data)]
        begins += [match.start() for match in _MARKS.finditer(data)]
        found = np.unique(np.searchsorted(offsets, np.array(begins, np.int64), "right") - 1)
        return [int(number) for number in found]

    def _filters(
        self,
        file: IO[bytes],
        metadata: Any,
        group: int,
        column: str,
        values: Sequence[pa.Array],
        name: str,
    ) -> None:
        for number, offset, length in filters_of(metadata, column):
            if number != group:
                continue
            file.seek(offset)
            try:
                asked = BloomFilter(file.read(length))
            except (ValueError, IndexError):
                continue
            suspects = [*compress(self._by_value, asked.may_have(self._sought))]
            if not suspects:
                continue
            held = {value for array in values for value in _each(array)}
            if asked.is_exactly_of(Hashed(held)):
                continue  # a false yes, or a value that was found among the others
            for value in suspects:
                where = f"Bloom filter of {column}, row group {group}"
                self._add(Trace(name, where, "as it is", self._by_value[value]))


def _is_respelled(form: Form, data: bytes, begin: int, end: int) -> bool:
    """Whether the text that it stands in, a value or between quotes, is another spelling of it."""
    if form.shape != "text":
        return False
    whole = fold(form.identity.value)
    sized = {value.decode(errors="replace") for value in _with_length(data, begin, end)}
    if any(fold(value) == whole for value in sized):
        return form.identity.value not in sized
    first = max(0, begin - _LONGEST_RESPELLED)
    quote = data.rfind(b'"', first, begin)
    last = data.find(b'"', end, end + _LONGEST_RESPELLED)
    if quote < 0 and last < 0 and len(data) <= end - begin + 2 * _LONGEST_RESPELLED:
        text = data  # a value by itself
    elif quote < 0 or last < 0:
        return False
    else:
        text = data[quote + 1 : last]
    found = unescaped(text.decode(errors="replace"))
    return found != form.identity.value and fold(found) == whole


def _with_length(data: bytes, begin: int, end: int) -> Iterator[bytes]:
    """The values around a place whose lengths stand before them, as Parquet has it."""
    for at in range(begin, max(3, begin - 16), -1):
        for size in (int.from_bytes(data[at - 4 : at], "little"), data[at - 1]):
            if end - at <= size <= end - at + 16:
                yield data[at : at + size]


def _is_hexadecimal(data: bytes) -> bool:
    return all(byte in b"0123456789abcdefABCDEF" for byte in data)


_BYTES = (
    pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary,
    pa.types.is_fixed_size_binary, pa.types.is_string_view, pa.types.is_binary_view,
)  # fmt: skip


def _has_bytes(type_: pa.DataType) -> bool:
    """Whether values of a type have texts or bytes, however deep in them."""
    if isinstance(type_, pa.BaseExtensionType):
        return _has_bytes(type_.storage_type)
    if pa.types.is_dictionary(type_):
        return _has_bytes(type_.value_type)
    inner = (type_.field(n).type for n in range(type_.num_fields))
    return any(is_kind(type_) for is_kind in _BYTES) or any(map(_has_bytes, inner))


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    """The texts and bytes that an array has, however deep; of a coded one each value once."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        yield from _leaves(array.storage)
    elif isinstance(array, pa.DictionaryArray):
        yield from _leaves(array.dictionary)
    elif isinstance(array, pa.MapArray):
        yield from (*_leaves(array.keys), *_leaves(array.items))
    elif isinstance(array, pa.StructArray):
        for part in array.flatten():
            yield from _leaves(part)
    elif kind.num_fields:
        yield from _leaves(array.flatten())
    elif pa.types.is_string_view(kind):
        yield array.cast(pa.large_string())
    elif pa.types.is_fixed_size_binary(kind) or pa.types.is_binary_view(kind):
        yield array.cast(pa.large_binary())
    elif _has_bytes(kind):
        yield array


def _laid_out(array: pa.Array) -> tuple[Any, bytes]:
    """Where values begin and end in their bytes, laid one behind another."""
    is_large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    kind = np.int64 if is_large else np.int32
    _, ends, data = array.buffers()
    if not len(array) or data is None:
        return np.zeros(1, np.int64), b""
    offsets = np.frombuffer(ends, kind)[array.offset : array.offset + len(array) + 1]
    first = int(offsets[0])
    return offsets.astype(np.int64) - first, bytes(memoryview(data)[first : int(offsets[-1])])


def _each(array: pa.Array) -> Iterator[bytes]:
    offsets, data = _laid_out(array)
    for first, last in pairwise(offsets):
        yield data[first:last]


def _short(offsets: Any, data: bytes) -> set[bytes]:
    """The values of few bytes."""
    sizes = np.diff(offsets)
    return {data[offsets[n] : offsets[n + 1]] for n in np.flatnonzero(sizes < _SHORTEST_IN_BINARY)}
