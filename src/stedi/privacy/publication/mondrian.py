"""Boxes of rows that hold enough people, cut as finely as that allows; compiled by Numba.

Mondrian: K. LeFevre, D. J. DeWitt, R. Ramakrishnan, "Mondrian Multidimensional K-Anonymity", ICDE
2006. Rows are points on a grid of whole numbers from 0. A set of rows is good for k if, in each
band of the target that has any, there are rows of at least k people and no person has more than 1/k
of them, on both sides of the matched readings. A box is cut in two where both halves are good for
few people in each band, and good for more people as a whole. What unites good sets is good, so a
box that no single cut divides can't be divided at all.

Only values on the axes choose a cut; of the target nothing but its band is looked at. Edges don't
lie at observed values: a cut stands at the roundest number between two neighbours, and empty space
is taken off a box by halving it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stedi.arrays import Bytes, Int32s, Int64s
from stedi.parquet.compiled import compiled

TARGET, BAND, SIDES, AXES = 0, 1, 2, 4
"""Columns of a row: the target, its band, the people of its two sides, then a column an axis."""
ROUNDING = 4
"""How many times the step to which a range is rounded goes into it, at most."""
_AT_ONCE = 1 << 9
REGION = 2
"""Columns of a node: its rows from and to, then its region, from and to for each axis."""


class Needs(NamedTuple):
    """For how many people a set of rows must be good: as a `whole`, and in each `band` it has.

    Where a band needs as many as the whole, the whole is good because its bands are.
    """

    whole: int
    band: int


class Room(NamedTuple):
    """Memory that a thread works in.

    `counts` are rows by half, side, band and person; `sums`, by half, side and band, how many rows,
    people, and rows of one person at most. Behind the bands comes the whole. `keys`, `spare` and
    `good` have a place a row. `ranges` are the least and greatest value on each axis. `most` is the
    most rows that one person has on a side, in all.
    """

    counts: Int32s
    sums: Int64s
    keys: Int64s
    spare: Int64s
    digits: Int64s
    good: Bytes
    ranges: Int32s
    nodes: Int64s
    most: int


class Leaves(NamedTuple):
    """Boxes that nothing cuts further, and their classes; `numbers` says how many of each.

    A box is its region, from and to for each axis, and then the part of it that isn't empty. A
    class is its box, region and part of the target, and how many rows it has.
    """

    boxes: Int32s
    classes: Int32s
    numbers: Int64s


def new_room(rows: int, people: int, bands: int, axes: int, most: int) -> Room:
    """Memory for so many rows of so many people, each of whom has so many at most."""
    return Room(
        counts=np.zeros((2, 2, bands + 1, people), np.int32),
        sums=np.zeros((2, 2, bands + 1, 3), np.int64),
        keys=np.empty(rows, np.int64),
        spare=np.empty(rows, np.int64),
        digits=np.empty(max(256, 2 * bands), np.int64),
        good=np.empty(rows, np.uint8),
        ranges=np.empty((axes, 2), np.int32),
        nodes=np.empty((512, REGION + 2 * max(axes, 1)), np.int64),
        most=most,
    )


def new_leaves(most: int, axes: int) -> Leaves:
    """Memory for at most so many classes."""
    return Leaves(
        np.empty((most, 4 * axes), np.int32), np.empty((most, 6), np.int32), np.zeros(2, np.int64)
    )


@compiled
def _copy(nodes: Int64s, n: int, copies: Int64s, place: int) -> None:
    for column in range(nodes.shape[1]):
        copies[place, column] = nodes[n, column]


@compiled
def split(
    rows: Int32s, nodes: Int64s, later: Int64s, stop: int, bands: Int32s, sizes: Int64s,
    needs: Needs, k: int, room: Room, leaves: Leaves,
) -> int:  # fmt: skip
    """Cut boxes until none can be cut; returns how many it left for later.

    A cut's halves have what they `needs`; then the target is cut in each box, into classes good
    for `k`. `nodes` with at most `stop` rows are written to `later` as they are. `bands` are each
    band's least and greatest target, `sizes` how many values each axis has.
    """
    left_over = 0
    stack = room.nodes
    for first in range(len(nodes)):
        _copy(nodes, first, stack, 0)
        depth = 1
        while depth > 0:
            depth -= 1
            begin, end = stack[depth, 0], stack[depth, 1]
            if end - begin <= stop:
                _copy(stack, depth, later, left_over)
                left_over += 1
                continue
            axis, cut = _best_cut(rows, begin, end, len(bands), sizes, needs, room)
            if axis < 0:
                _finish(rows, depth, bands, k, room, leaves)
                continue
            middle = partition(rows, begin, end, AXES + axis, cut)
            # The smaller half is worked on first, so that few wait.
            is_low_smaller = middle - begin <= end - middle
            low, high = (depth + 1, depth) if is_low_smaller else (depth, depth + 1)
            _copy(stack, depth, stack, depth + 1)
            stack[low, 1], stack[high, 0] = middle, middle
            region = REGION + 2 * axis
            stack[low, region + 1], stack[high, region] = cut, cut + 1
            depth += 2
    return left_over


@compiled
def _best_cut(
    rows: Int32s, begin: int, end: int, n_bands: int, sizes: Int64s, needs: Needs, room: Room
) -> tuple[int, int]:
    """The axis to cut, the widest that can be, and the greatest value of the lower half; or -1."""
    if end - begin < 2 * needs.whole:
        return -1, 0
    ranges = room.ranges
    _measure(rows, begin, end, ranges)
    # Near the median of the widest axis first, of the others next; then anywhere.
    for anywhere in range(2):
        tried = 0
        for _ in range(len(ranges)):
            axis, widest = -1, 0.0
            for candidate in range(len(ranges)):
                spread = (ranges[candidate, 1] - ranges[candidate, 0]) / sizes[candidate]
                if not (tried >> candidate) & 1 and spread > widest:
                    axis, widest = candidate, spread
            if axis < 0:
                break
            tried |= 1 << axis
            if anywhere:
                cut = _nearest_good(rows, begin, end, AXES + axis, n_bands, needs, room)
            else:
                least, most = ranges[axis]
                cut = _median(rows, begin, end, AXES + axis, least, most, room)
                if not _is_allowed(rows, begin, end, AXES + axis, cut, n_bands, needs, room):
                    cut = -1
            if cut >= 0:
                return axis, cut
    return -1, 0


@compiled
def _measure(rows: Int32s, begin: int, end: int, ranges: Int32s) -> None:
    """Note the range of each axis; some rows at a time, which stay in the fastest cache."""
    for axis in range(len(ranges)):
        ranges[axis] = rows[begin, AXES + axis]
    for first in range(begin, end, _AT_ONCE):
        last = min(first + _AT_ONCE, end)
        for axis in range(len(ranges)):
            least, most = _range(rows, first, last, AXES + axis)
            ranges[axis, 0] = min(ranges[axis, 0], least)
            ranges[axis, 1] = max(ranges[axis, 1], most)


@compiled
def _range(rows: Int32s, begin: int, end: int, column: int) -> tuple[int, int]:
    least = most = rows[begin, column]
    for n in range(begin, end):
        value = rows[n, column]
        least, most = min(least, value), max(most, value)
    return least, most


@compiled
def _median(
    rows: Int32s, begin: int, end: int, column: int, least: int, most: int, room: Room
) -> int:
    """A cut that leaves about half of the rows on each side; they go from `least` to `most`."""
    count = end - begin
    if most - least < count:
        median, below, above = _middle_by_counting(rows, begin, end, column, least, most, room)
    else:
        median, below, above = _middle_by_selection(rows, begin, end, column, room)
    if above >= 0:
        return roundest(median, above - 1)
    return roundest(below, median - 1)


@compiled
def _middle_by_counting(
    rows: Int32s, begin: int, end: int, column: int, least: int, most: int, room: Room
) -> tuple[int, int, int]:
    """The lower median of a column, and the values right below and above it, or -1."""
    counts = room.spare
    for value in range(most - least + 1):
        counts[value] = 0
    for n in range(begin, end):
        counts[rows[n, column] - least] += 1
    rank, median, before = (end - begin - 1) // 2, -1, 0
    while before <= rank:
        median += 1
        before += counts[median]
    below, above = median - 1, median + 1
    while below >= 0 and counts[below] == 0:
        below -= 1
    while above <= most - least and counts[above] == 0:
        above += 1
    return (
        least + median,
        least + below if below >= 0 else -1,
        least + above if above <= most - least else -1,
    )


@compiled
def _middle_by_selection(
    rows: Int32s, begin: int, end: int, column: int, room: Room
) -> tuple[int, int, int]:
    """As `_middle_by_counting`, where values are far apart: quickselect (Hoare 1961)."""
    keys, count = room.keys, end - begin
    for n in range(count):
        keys[n] = rows[begin + n, column]
    rank, low, high = (count - 1) // 2, 0, count - 1
    while low < high:
        pivot = keys[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    median = keys[rank]
    below, above = -1, -1
    for n in range(count):
        value = keys[n]
        if value < median and value > below:
            below = value
        elif value > median and (above < 0 or value < above):
            above = value
    return median, below, above


@compiled
def roundest(least: int, most: int) -> int:
    """The cut in a range behind which the roundest number follows, in binary."""
    step = 1
    best = most + 1
    while True:
        candidate = (most + 1) // step * step
        if candidate < least + 1:
            return best - 1
        best = candidate
        step *= 2


@compiled
def _is_allowed(
    rows: Int32s, begin: int, end: int, column: int, cut: int, n_bands: int, needs: Needs,
    room: Room,
) -> bool:  # fmt: skip
    """Whether both halves of a cut are good."""
    few, many = _sizes(rows, begin, end, column, cut, n_bands, needs, room)
    if few:
        return False
    if many:
        return True
    for n in range(begin, end):
        half = 0 if rows[n, column] <= cut else 1
        _count(rows, n, half, rows[n, BAND], room)
        if needs.whole > needs.band:
            _count(rows, n, half, n_bands, room)
    allowed = True
    for half in range(2):
        for band in range(n_bands):
            allowed = allowed and _is_good(room.sums, half, band, needs.band)
        allowed = allowed and _is_good(room.sums, half, n_bands, needs.whole)
    _clear(rows, begin, end, n_bands, needs, room)
    return allowed


@compiled
def _sizes(
    rows: Int32s, begin: int, end: int, column: int, cut: int, n_bands: int, needs: Needs,
    room: Room,
) -> tuple[bool, bool]:  # fmt: skip
    """Whether a half has too few rows to be good, and whether both have enough to be.

    Of k people there are k rows. With k times the most rows of one person, nobody has more than
    1/k, and there are at least k people.
    """
    counts = room.digits
    for n in range(2 * n_bands):
        counts[n] = 0
    for n in range(begin, end):
        counts[2 * rows[n, BAND] + (0 if rows[n, column] <= cut else 1)] += 1
    is_few, are_many = False, True
    for half in range(2):
        whole = 0
        for band in range(n_bands):
            count = counts[2 * band + half]
            whole += count
            is_few = is_few or 0 < count < needs.band
            are_many = are_many and (count == 0 or count >= needs.band * room.most)
        is_few = is_few or whole < needs.whole
        are_many = are_many and whole >= needs.whole * room.most
    return is_few, are_many


@compiled
def _nearest_good(
    rows: Int32s, begin: int, end: int, column: int, n_bands: int, needs: Needs, room: Room
) -> int:
    """The allowed cut that is nearest to halving the rows, or -1."""
    count, keys = end - begin, room.keys
    for n in range(count):
        keys[n] = (np.int64(rows[begin + n, column]) << 32) | n
    _sort_by_value(count, room)
    bad, first = 0, count
    for n in range(count):
        place = begin + (keys[n] & 0xFFFFFFFF)
        bad += _count_changing(rows, place, 0, n_bands, needs, room)
        room.good[n] = bad == 0
        if bad == 0:
            first = min(first, n)
    bad, nearest, best = 0, count + 1, -1
    for n in range(count - 1, first, -1):
        place = begin + (keys[n] & 0xFFFFFFFF)
        bad += _count_changing(rows, place, 1, n_bands, needs, room)
        if bad == 0 and room.good[n - 1] and keys[n] >> 32 != keys[n - 1] >> 32:
            distance = abs(2 * n - count)
            if distance <= nearest:  # of two as near, the lower
                nearest, best = distance, n
    _clear(rows, begin, end, n_bands, needs, room)
    if best < 0:
        return -1
    return roundest(keys[best - 1] >> 32, (keys[best] >> 32) - 1)


@compiled
def _sort_by_value(count: int, room: Room) -> None:
    """Sort keys by their upper half: few by insertion, many by its digits, the last one first."""
    keys, spare, digits = room.keys, room.spare, room.digits
    if count < 64:
        for n in range(1, count):
            key, place = keys[n], n
            while place > 0 and keys[place - 1] > key:
                keys[place] = keys[place - 1]
                place -= 1
            keys[place] = key
        return
    most = keys[0]
    for n in range(count):
        most = max(most, keys[n])
    shift = 32
    while most >> shift:
        for digit in range(256):
            digits[digit] = 0
        for n in range(count):
            digits[(keys[n] >> shift) & 0xFF] += 1
        place = 0
        for digit in range(256):
            digits[digit], place = place, place + digits[digit]
        for n in range(count):
            digit = (keys[n] >> shift) & 0xFF
            spare[digits[digit]] = keys[n]
            digits[digit] += 1
        for n in range(count):
            keys[n] = spare[n]
        shift += 8


@compiled
def _count_changing(
    rows: Int32s, n: int, half: int, n_bands: int, needs: Needs, room: Room
) -> int:  # fmt: skip
    """Count a row; returns by how much the number of parts that aren't good changes."""
    changed = _count_in(rows, n, half, rows[n, BAND], needs.band, room)
    if needs.whole > needs.band:
        changed += _count_in(rows, n, half, n_bands, needs.whole, room)
    return changed


@compiled
def _count_in(rows: Int32s, n: int, half: int, part: int, k: int, room: Room) -> int:
    before = _is_good(room.sums, half, part, k)
    _count(rows, n, half, part, room)
    return int(before) - int(_is_good(room.sums, half, part, k))


@compiled
def _count(rows: Int32s, n: int, half: int, part: int, room: Room) -> None:
    """Count a row in a band, or in the whole."""
    for side in range(2):
        person = rows[n, SIDES + side]
        now = room.counts[half, side, part, person] + 1
        room.counts[half, side, part, person] = now
        room.sums[half, side, part, 0] += 1
        if now == 1:
            room.sums[half, side, part, 1] += 1
        if now > room.sums[half, side, part, 2]:
            room.sums[half, side, part, 2] = now


@compiled
def _is_good(sums: Int64s, half: int, part: int, k: int) -> bool:
    for side in range(2):
        count = sums[half, side, part, 0]
        if count > 0 and (sums[half, side, part, 1] < k or sums[half, side, part, 2] * k > count):
            return False
    return True


@compiled
def _clear(rows: Int32s, begin: int, end: int, n_bands: int, needs: Needs, room: Room) -> None:
    has_whole = needs.whole > needs.band
    for n in range(begin, end):
        band = rows[n, BAND]
        for side in range(2):
            person = rows[n, SIDES + side]
            room.counts[0, side, band, person] = 0
            room.counts[1, side, band, person] = 0
            if has_whole:
                room.counts[0, side, n_bands, person] = 0
                room.counts[1, side, n_bands, person] = 0
    for half in range(2):
        for side in range(2):
            for part in range(n_bands + 1):
                for sort in range(3):
                    room.sums[half, side, part, sort] = 0


@compiled
def partition(rows: Int32s, begin: int, end: int, column: int, cut: int) -> int:
    """Move rows with values up to `cut` to the front; returns where the others begin."""
    low, high = begin, end - 1
    while low <= high:
        if rows[low, column] <= cut:
            low += 1
        elif rows[high, column] > cut:
            high -= 1
        else:
            for n in range(rows.shape[1]):
                rows[low, n], rows[high, n] = rows[high, n], rows[low, n]
            low += 1
            high -= 1
    return low


@compiled
def _trimmed(
    rows: Int32s, begin: int, end: int, column: int, least: int, most: int
) -> tuple[int, int]:
    """A range without the empty space before and behind its values, up to round numbers.

    Rounder the further apart the values are: how far the edges are from them is a matter of chance.
    """
    low, high = _range(rows, begin, end, column)
    step = 1
    while ROUNDING * step < high - low:
        step *= 2
    return max(least, low // step * step), min(most, high // step * step + step - 1)


@compiled
def _finish(rows: Int32s, depth: int, bands: Int32s, k: int, room: Room, leaves: Leaves) -> None:
    """Note a box that can't be cut, and cut the target in it, band by band."""
    stack = room.nodes
    begin, end = stack[depth, 0], stack[depth, 1]
    box, axes = leaves.numbers[0], rows.shape[1] - AXES
    for axis in range(axes):
        least, most = stack[depth, REGION + 2 * axis], stack[depth, REGION + 2 * axis + 1]
        low, high = _trimmed(rows, begin, end, AXES + axis, least, most)
        at = 2 * axis
        leaves.boxes[box, at], leaves.boxes[box, at + 1] = least, most
        leaves.boxes[box, 2 * axes + at], leaves.boxes[box, 2 * axes + at + 1] = low, high
    leaves.numbers[0] += 1
    for band in range(len(bands)):
        if begin == end:
            break
        middle = partition(rows, begin, end, TARGET, bands[band, 1])
        if middle > begin:
            _cut_target(rows, begin, middle, depth, box, band, bands, k, room, leaves)
        begin = middle


@compiled
def _cut_target(
    rows: Int32s, begin: int, end: int, depth: int, box: int, band: int, bands: Int32s, k: int,
    room: Room, leaves: Leaves,
) -> None:  # fmt: skip
    """Cut the targets of one band in one box into classes."""
    stack, needs = room.nodes, Needs(k, k)
    stack[depth, 0], stack[depth, 1] = begin, end
    stack[depth, REGION], stack[depth, REGION + 1] = bands[band, 0], bands[band, 1]
    top = depth + 1
    while top > depth:
        top -= 1
        begin, end = stack[top, 0], stack[top, 1]
        least, most = stack[top, REGION], stack[top, REGION + 1]
        cut = -1
        low, high = _range(rows, begin, end, TARGET)
        if end - begin >= 2 * k and low < high:
            cut = _median(rows, begin, end, TARGET, low, high, room)
            if not _is_allowed(rows, begin, end, TARGET, cut, len(bands), needs, room):
                cut = _nearest_good(rows, begin, end, TARGET, len(bands), needs, room)
        if cut < 0:
            low, high = _trimmed(rows, begin, end, TARGET, least, most)
            number = leaves.numbers[1]
            leaves.classes[number, 0] = box
            leaves.classes[number, 1], leaves.classes[number, 2] = least, most
            leaves.classes[number, 3], leaves.classes[number, 4] = low, high
            leaves.classes[number, 5] = end - begin
            leaves.numbers[1] += 1
            continue
        middle = partition(rows, begin, end, TARGET, cut)
        is_low_smaller = middle - begin <= end - middle
        low_at, high_at = (top + 1, top) if is_low_smaller else (top, top + 1)
        stack[low_at, 0], stack[low_at, 1] = begin, middle
        stack[low_at, REGION], stack[low_at, REGION + 1] = least, cut
        stack[high_at, 0], stack[high_at, 1] = middle, end
        stack[high_at, REGION], stack[high_at, REGION + 1] = cut + 1, most
        top += 2
