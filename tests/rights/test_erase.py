"""Who is forgotten is nowhere any more, and everybody else is as they were."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from stedi import Lakehouse, Locked, UsageError
from stedi.rights.find import Found
from stedi.roots import open_root
from stedi.storage.warehouse import Warehouse
from tests.conftest import Land, already_run, both_engines_at_length, rows
from tests.rights.conftest import assert_whole, named, rows_on_disk, without
from tests.support import small
from tests.support.traces import bloom_may_have, holding

ANN, S1 = "ann@example.com", "S1"


def places(found: Found) -> dict[str, int]:
    return {f"{raw.source}/{raw.name}": len(raw.places) for raw in found.landing}


def states(root: Path) -> dict[Path, tuple[int, int]]:
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}


@already_run
def test_all_that_is_held_is_found_and_nothing_is_done(small_lakehouse: Lakehouse) -> None:
    before = states(small_lakehouse.root)
    found = small_lakehouse.held([("email", ANN)])
    assert [(i.kind, i.value, i.asked) for i in found.identities] == [
        ("customer", ANN, True), ("device", S1, False),
    ]  # fmt: skip
    assert places(found) == {
        "accelerometer/one.json": 3, "customer/one.json": 1, "step_trainer/one.json": 3,
    }  # fmt: skip
    assert {t.table: len(t.rows) for t in found.tables} == {
        "accelerometer_landing": 3, "customer_landing": 1, "step_trainer_landing": 3,
        "accelerometer_trusted": 3, "customer_trusted": 1, "step_trainer_trusted": 3,
        "customer_curated": 1,
    }  # fmt: skip
    assert states(small_lakehouse.root) == before


@both_engines_at_length
@already_run
def test_nothing_of_them_is_left_and_everybody_else_is_as_before(
    small_lakehouse: Lakehouse, engine: str
) -> None:
    root = small_lakehouse.root
    assert holding(root, ANN)
    before, raw = rows_on_disk(root), (root / "customer/landing/one.json").read_bytes()
    forgotten = small_lakehouse.erase([("email", ANN)], engine=engine)  # type: ignore[arg-type]
    assert forgotten is not None
    assert forgotten.proof.holds, forgotten.proof
    small_lakehouse.receipt(forgotten)
    assert holding(root, ANN, '"S1"') == []
    assert named(rows_on_disk(root)) == without(before, ANN, S1)
    lines = raw.splitlines(keepends=True)
    rest = b"".join(line for line in lines if ANN.encode() not in line)
    assert (root / "customer/landing/one.json").read_bytes() == rest
    assert_whole(small_lakehouse)


@already_run
def test_the_publication_is_rebuilt_without_them(small_lakehouse: Lakehouse) -> None:
    small_lakehouse.erase([("email", ANN)])
    published = rows(small_lakehouse, "SELECT * FROM machine_learning_curated")
    of_ann = [(210.0, 0.1), (210.0, 0.2), (220.0, 0.3), (220.0, 0.6)]
    expected = [pair for pair in small.SEED_PAIRS if pair[:2] not in of_ann]
    assert sorted(published) == expected
    folder = small_lakehouse.root / "step_trainer" / "curated"
    assert len([*folder.rglob("*.parquet")]) == 1


@already_run
def test_the_sums_hold_and_say_what_was_erased(small_lakehouse: Lakehouse) -> None:
    small_lakehouse.erase([("email", ANN)])
    sources = small_lakehouse.status().sources
    assert {name: s.dropped for name, s in sources.items()} == {
        "customer": {"erased": 1}, "accelerometer": {"erased": 3}, "step_trainer": {"erased": 3},
    }  # fmt: skip
    assert {name: s.records for name, s in sources.items()} == {
        "customer": 18, "accelerometer": 19, "step_trainer": 17,
    }  # fmt: skip
    small_lakehouse.erase([("email", "ben@example.com")])
    sources = small_lakehouse.status().sources
    assert {name: s.dropped for name, s in sources.items()} == {
        "customer": {"erased": 2}, "accelerometer": {"erased": 4}, "step_trainer": {"erased": 4},
    }  # fmt: skip
    small_lakehouse.run(full=True)
    assert {name: s.records for name, s in small_lakehouse.status().sources.items()} == {
        "customer": 18, "accelerometer": 19, "step_trainer": 17,
    }  # fmt: skip
    assert small_lakehouse.status(verify=True).ok


BEN = small.customer("ben", "S2", 100)
ZED = {**small.customer("zed", "S99", 100), "customerName": "Zëd \U0001f600"}
ANNS = small.customer("ann", S1, 100, consent=100)
LAYOUTS: dict[str, tuple[str, bytes, bytes]] = {}


def layout(name: str, file: str, before: str, after: str) -> None:
    dumped = {"A": json.dumps(ANNS), "B": json.dumps(BEN), "Z": json.dumps(ZED)}
    texts = []
    for text in (before, after):
        for letter, record in dumped.items():
            text = text.replace(f"<{letter}>", record)
        texts.append(text.encode())
    LAYOUTS[name] = (file, texts[0], texts[1])


layout("lines", "a.json", "<B>\n<A>\n<Z>\n", "<B>\n<Z>\n")
layout("the last line without its end", "a.json", "<B>\n<A>", "<B>\n")
layout("CRLF", "a.json", "<A>\r\n<B>\r\n", "<B>\r\n")
layout("blank lines stay", "a.json", "\n<B>\n\n<A>\n\n<Z>\n", "\n<B>\n\n\n<Z>\n")
layout("two on a line", "a.json", "<A> <B>\n<Z>\n", "<B>\n<Z>\n")
layout("the last of a line", "a.json", "<B> <A>\n<Z>\n", "<B>\n<Z>\n")
layout("no lines at all", "a.json", "<B><A><Z>", "<B><Z>")
layout("a list", "a.json", "[<A>,<B>,<Z>]", "[<B>,<Z>]")
layout("the end of a list", "a.json", "[<B>,<Z>,<A>]", "[<B>,<Z>]")
layout("a list in lines", "a.json", "[\n  <B>,\n  <A>\n]\n", "[\n  <B>\n]\n")
layout("commas first", "a.json", "[ <B>\n, <A>\n, <Z>\n]", "[ <B>\n, <Z>\n]")
layout("commas behind", "a.json", "<B>,\n<A>,\n<Z>,\n", "<B>,\n<Z>,\n")
layout("a byte order mark", "a.json", "\ufeff<A>\n<B>\n", "\ufeff<B>\n")
layout("alone", "a.json", "<A>\n", "")
layout("alone in a list", "a.json", "[<A>]\n", "")
layout("gzip", "a.json.gz", "<B>\n<A>\n", "<B>\n")
layout("zstandard", "a.json.zst", "[<A>,<B>]", "[<B>]")
layout("alone in gzip", "a.json.gz", "<A>\n", "")
layout(
    "over several lines", "a.json",
    json.dumps(ANNS, indent=2) + "\n" + json.dumps(BEN, indent=2) + "\n",
    json.dumps(BEN, indent=2) + "\n",
)  # fmt: skip
layout(
    "escapes, keys in other case, unknown keys", "a.json",
    json.dumps({**ANNS, "also": {"x": [1]}}).replace("ann@", "\\u0061nn@").replace("email", "EMail")
    + "\n<B>\n",
    "<B>\n",
)  # fmt: skip


def packed(name: str, data: bytes) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(data)
    return zstandard.compress(data) if name.endswith(".zst") else data


def unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    return zstandard.decompress(data) if path.suffix == ".zst" else data  # it says how long it is


@pytest.mark.parametrize("how", LAYOUTS)
def test_raw_files_keep_all_else_byte_for_byte(tmp_path: Path, how: str) -> None:
    name, before, after = LAYOUTS[how]
    path = small.write(tmp_path, "customer", packed(name, before), name)
    forgotten = Lakehouse(tmp_path).erase([("email", ANN)])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    assert (unpacked(path) if path.exists() else b"") == after
    assert holding(tmp_path, ANN) == []


@already_run
def test_quarantined_records_go_and_those_of_others_keep_their_places(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    whole = json.dumps(small.customer("cat", "S3", 300)).encode()
    bad = b"".join(
        line + b"\n"
        for line in (
            b'{"customerName": "Ann", "email": "ann@example.com", "phone": 5',
            b'{"email": "zoe@example.com", "cut off',
            b"not json, of \\u0061nn@example.com",
            whole,
            b'{"email": "joann@example.com"}',
        )
    )
    path = land("customer", bad, name="bad.json")
    land("accelerometer", b'{"user": "ann@example.com", "timestamp": "soon"}\n', name="bad.json")
    small_lakehouse.run()
    assert small_lakehouse.quarantine().count == 5
    forgotten = small_lakehouse.erase([("email", ANN)])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    rest = path.read_bytes()
    assert rest == b'{"email": "zoe@example.com", "cut off\n' + whole + (
        b'\n{"email": "joann@example.com"}\n'
    )
    pieces = small_lakehouse.quarantine(raw=True).pieces
    assert [rest[p.byte_offset :][: p.byte_length].decode() for p in pieces] == [
        p.text for p in pieces
    ]
    assert len(pieces) == 2
    assert not (small_lakehouse.root / "accelerometer/landing/bad.json").exists()
    assert holding(small_lakehouse.root, ANN) == []
    assert small_lakehouse.status().sources["customer"].dropped == {"erased": 3}
    assert_whole(small_lakehouse)


@already_run
def test_snapshots_with_them_go_at_once_and_others_stay(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", [small.customer("zoe", "S50", 100, consent=100)], name="zoe.json")
    small_lakehouse.run()
    land("customer", [small.customer("zoe", "S51", 500, consent=100)], name="later.json")
    small_lakehouse.run()
    warehouse = Warehouse(open_root(small_lakehouse.root))
    first = next(iter(warehouse.snapshots("customer_landing")))
    assert len(warehouse.snapshots("customer_landing")) == 3
    small_lakehouse.erase([("email", "zoe@example.com")])
    warehouse = Warehouse(open_root(small_lakehouse.root))
    kept = [*warehouse.snapshots("customer_landing")]
    assert kept[0] == first  # from before she came
    assert len(kept) == 2
    assert holding(small_lakehouse.root, "zoe@example.com") == []
    small_lakehouse.erase([("email", ANN)])
    assert len(Warehouse(open_root(small_lakehouse.root)).snapshots("customer_landing")) == 1
    assert holding(small_lakehouse.root, ANN) == []


@already_run
def test_files_that_runs_pass_over_and_strays_are_cut_too(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", [ANNS, BEN], name="_not_ready.json")
    land("accelerometer", [small.acceleration("ann", 1, 0.5)], name=".77.part")
    land("customer", [BEN, ANNS], name=".unpacked/deeper/one.json")
    land("step_trainer", [small.reading("S1", 1, 100)], name="_temporary/0/one.json")
    stray = small_lakehouse.root / "customer" / "typed" / "data" / "left" / "part-0.parquet"
    stray.parent.mkdir()
    [typed] = (small_lakehouse.root / "customer" / "typed" / "data").rglob("part-*.parquet")
    stray.write_bytes(typed.read_bytes())
    forgotten = small_lakehouse.erase([("email", ANN)])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    assert holding(small_lakehouse.root, ANN) == []
    left = small_lakehouse.root / "customer/landing/_not_ready.json"
    assert left.read_text() == json.dumps(BEN) + "\n"
    left = small_lakehouse.root / "customer/landing/.unpacked/deeper/one.json"
    assert left.read_text() == json.dumps(BEN) + "\n"
    assert not (small_lakehouse.root / "step_trainer/landing/_temporary/0/one.json").exists()


@already_run
@pytest.mark.parametrize(
    "other",
    ["\uff41nn@example.com", *(pytest.param(other, marks=pytest.mark.slow) for other in (
        "ANN@example.com", " ann@example.com", "ann@example.com\u200b", "Ann@Example.Com\t"))],
)  # fmt: skip
def test_other_spellings_are_shown_and_not_taken(
    small_lakehouse: Lakehouse, land: Land, other: str
) -> None:
    record = {**small.customer("ann", "S77", 100, consent=100), "email": other}
    land("customer", [record], name="other.json")
    small_lakehouse.run()
    found = small_lakehouse.held([("email", ANN)])
    assert found.spelled == {("customer", other): 1}
    forgotten = small_lakehouse.erase([("email", ANN)])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    emails = [email for (email,) in rows(small_lakehouse, "SELECT email FROM customer_landing")]
    assert other in emails
    assert ANN not in emails
    small_lakehouse.erase([("email", other)])
    assert holding(small_lakehouse.root, other.strip()) == []


@already_run
@pytest.mark.parametrize("other", ["ANN@example.com", "Ann@Example.com ", "\uff41nn@example.com"])
def test_broken_records_in_another_spelling_are_shown_and_not_taken(
    small_lakehouse: Lakehouse, land: Land, other: str
) -> None:
    broken = json.dumps({**BEN, "email": other, "lastUpdateDate": "5"}).encode() + b"\n"
    land("customer", broken, name="broken.json")
    small_lakehouse.run()
    assert small_lakehouse.held([("email", ANN)]).spelled == {("customer", other): 1}
    forgotten = small_lakehouse.erase([("email", ANN)])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    assert small_lakehouse.root.joinpath("customer/landing/broken.json").read_bytes() == broken
    texts = [piece.text for piece in small_lakehouse.quarantine(raw=True).pieces]
    assert texts.count(broken.decode().strip()) == 1
    land("customer", broken + broken, name="again.json")
    small_lakehouse.run()
    again = small_lakehouse.root.joinpath("customer/landing/again.json")
    assert again.read_bytes() == broken + broken


MENTIONS = {
    "in a key that no contract knows": {**BEN, "referredBy": ANN},
    "in a column": {**BEN, "customerName": f"Ben, see {ANN}"},
    "in base64, deep in it": {**BEN, "tags": [{"who": base64.b64encode(ANN.encode()).decode()}]},
    "escaped": {**BEN, "referredBy": "ESCAPED"},
    "in another source": {**small.acceleration("ben", 7, 0.5), "friend": ANN},
}


@already_run
@pytest.mark.parametrize("record", MENTIONS.values(), ids=MENTIONS)
def test_records_of_others_that_mention_them_stay_and_are_named(
    small_lakehouse: Lakehouse, land: Land, record: dict[str, Any]
) -> None:
    escaped = "".join(f"\\u{ord(c):04x}" for c in ANN)
    raw = json.dumps(record).replace("ESCAPED", escaped).encode() + b"\n"
    source = "customer" if "email" in record else "accelerometer"
    land(source, raw + json.dumps(BEN if source == "customer" else {}).encode(), name="more.json")
    small_lakehouse.run()
    before = rows_on_disk(small_lakehouse.root)
    forgotten = small_lakehouse.erase([("email", ANN)])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    [shown] = forgotten.found.mentions  # before anything was done
    is_typed = record.get("customerName") == f"Ben, see {ANN}"
    assert shown.file.startswith("customer/typed/" if is_typed else f"{source}/landing/more.json")
    assert shown.records == 1
    named_files = {one.file: one.records for one in forgotten.proof.mentions}
    assert named_files.pop(f"{source}/landing/more.json") == 1
    assert bool(named_files) == is_typed
    assert all(file.startswith("customer/") for file in named_files)
    assert (small_lakehouse.root / source / "landing" / "more.json").read_bytes().startswith(raw)
    assert named(rows_on_disk(small_lakehouse.root)) == without(before, ANN, S1)
    _, receipt = small_lakehouse.receipt(forgotten)
    assert "## What stays, and why" in receipt
    assert ANN not in receipt
    # A trace that is no record of others is still one.
    (small_lakehouse.root / source / "landing" / "_note.txt").write_text(f"about {ANN}")
    proof = small_lakehouse.prove_erased([("email", ANN)])
    assert not proof.holds
    assert {one.file for one in proof.traced.exact} == {f"{source}/landing/_note.txt"}
    assert proof.mentions == forgotten.proof.mentions


BROKEN = {**small.acceleration("ben", 7, 0.5), "timeStamp": "no time"}
ESCAPED, IN_BASE64 = ANN.replace("@", "%40"), base64.b64encode(ANN.encode()).decode()
PIECES = {
    "of somebody else": [{**BROKEN, "note": f"friend of {ESCAPED}"}],
    "of nobody knows whom": [{**BROKEN, "user": None, "note": IN_BASE64}],
    "beside another spelling": [{**BROKEN, "note": IN_BASE64}, {**BROKEN, "user": ANN.upper()}],
    "that isn't JSON": [{**BROKEN, "note": IN_BASE64}, "}"],
}


@already_run
@pytest.mark.parametrize(
    "was_read", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["read", "not read"]
)
@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_quarantined_records_of_others_that_mention_them_stay_and_are_named(
    small_lakehouse: Lakehouse, land: Land, pieces: list[Any], was_read: bool
) -> None:
    fits = [small.acceleration("ben", n, 0.5) for n in range(100, 140)]
    theirs = {**BROKEN, "note": f"of {ANN}"}  # named as it is spelled, it may be of that person
    lines = [piece if isinstance(piece, str) else json.dumps(piece) for piece in pieces]
    text = "".join(f"{line}\n" for line in (*map(json.dumps, fits), *lines))
    land("accelerometer", (text + json.dumps(theirs) + "\n").encode(), name="broken.json")
    if was_read:
        small_lakehouse.run()
    name = "accelerometer/landing/broken.json"
    found = small_lakehouse.held([("email", ANN)])
    assert {(one.file, one.records) for one in found.mentions} == {(name, 1)}
    assert [raw.pieces for raw in found.landing if raw.name == "broken.json"] == [1]
    forgotten = small_lakehouse.erase([("email", ANN)])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    mentions = {one.file.partition("/data/")[0]: one.records for one in forgotten.proof.mentions}
    assert mentions == {name: 1, "_stedi/quarantine": 1}
    assert (small_lakehouse.root / name).read_text() == text
    assert_whole(small_lakehouse)


@already_run
def test_raw_files_that_are_named_for_them_get_another_name(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    gone = land(
        "customer", [small.customer("zoe", "S50", 100)], name="gone-of ann@example.com.json"
    )
    land("customer", [ANNS, BEN, {**ZED, "x": 1}], name="ann@example.com.json")
    land("accelerometer", [small.acceleration("ben", 7, 0.5)], name="by/ann@example.com/x.json")
    land("accelerometer", b"bad\n", name="ann@example.com.jsonl")
    small_lakehouse.run()
    gone.unlink()
    small_lakehouse.run()
    before = rows_on_disk(small_lakehouse.root)
    forgotten = small_lakehouse.erase([("email", ANN)])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    assert holding(small_lakehouse.root, ANN) == []
    assert named(rows_on_disk(small_lakehouse.root)) == without(before, ANN, S1)
    names = sorted(
        path.relative_to(small_lakehouse.root).as_posix()
        for path in small_lakehouse.root.glob("*/landing/**/renamed*")
    )
    assert len(names) == 3
    assert_whole(small_lakehouse)


@already_run
def test_joann_is_not_ann(small_lakehouse: Lakehouse, land: Land) -> None:
    land("customer", [small.customer("joann", "S60", 100, consent=100)], name="joann.json")
    land("customer", [{**BEN, "email": "ann@example.com.au"}], name="au.json")
    small_lakehouse.run()
    forgotten = small_lakehouse.erase([("email", ANN)])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    emails = {email for (email,) in rows(small_lakehouse, "SELECT email FROM customer_landing")}
    assert {"joann@example.com", "ann@example.com.au"} <= emails


def serials(lakehouse: Lakehouse, serial: str) -> list[int]:
    sql = f"SELECT sensorreadingtime FROM step_trainer_landing WHERE serialnumber = '{serial}'"
    return sorted(time for (time,) in rows(lakehouse, sql))


@already_run
def test_others_keep_readings_of_a_shared_device_from_their_own_time(
    small_lakehouse: Lakehouse,
) -> None:
    """Fay and gus share S6; gus's record is of 300, and readings are of 200 and 400."""
    found = small_lakehouse.held([("email", "fay@example.com")])
    [shared] = found.shared
    assert (shared.identity.value, shared.others, shared.known) == ("S6", 1, True)
    assert found.kept == {("device", "S6"): 1}
    forgotten = small_lakehouse.erase([("email", "fay@example.com")])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    assert serials(small_lakehouse, "S6") == [400]
    assert rows(small_lakehouse, "SELECT COUNT(*) FROM customer_landing WHERE serialnumber = 'S6'")[
        0
    ] == (1,)
    assert holding(small_lakehouse.root, "fay@example.com") == []
    assert_whole(small_lakehouse)


@already_run
def test_a_shared_device_can_be_taken_as_a_whole(small_lakehouse: Lakehouse) -> None:
    small_lakehouse.erase([("email", "fay@example.com")], with_shared=True)
    assert serials(small_lakehouse, "S6") == []
    assert rows(
        small_lakehouse, "SELECT email FROM customer_landing WHERE serialnumber = 'S6'"
    ) == [("gus@example.com",)]


@already_run
def test_a_device_that_changed_hands_keeps_what_is_the_next_owners(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    """Kim had S10 from 100 to 200; lee has had it from 100 on; mo from 5000 to 6000."""
    land(
        "customer",
        [small.customer("mo", "S10", 5000), small.customer("mo", "S20", 6000)],
        "mo.json",
    )
    land("customer", [small.customer("lee", "S30", 150, consent=100)], "lee.json")
    times = [50, 120, 149, 151, 180, 4999, 5000, 5999, 6000, 7000]
    land("step_trainer", [small.reading("S10", time, 1) for time in times], "more.json")
    small_lakehouse.run()
    small_lakehouse.erase([("email", "kim@example.com")])
    assert serials(small_lakehouse, "S10") == [120, 149, 5000, 5999]
    assert serials(small_lakehouse, "S11") == []


@already_run
def test_a_device_alone_names_who_has_it_unless_several_do(small_lakehouse: Lakehouse) -> None:
    with pytest.raises(UsageError, match="2 people have or had it") as told:
        small_lakehouse.held([("serial-number", "S6")])
    assert "S6" not in str(told.value)
    found = small_lakehouse.held([("serial-number", "S2")])
    assert [(i.kind, i.value) for i in found.identities] == [
        ("customer", "ben@example.com"), ("device", "S2"),
    ]  # fmt: skip
    found = small_lakehouse.held([("email", ANN), ("serial-number", "S2")])
    assert ("customer", "ben@example.com") not in {(i.kind, i.value) for i in found.identities}


@already_run
def test_a_delivery_between_finding_and_forgetting_is_found_again(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    asked: list[dict[str, int]] = []

    def confirm(found: Found) -> bool:
        asked.append(places(found))
        if len(asked) == 1:
            land("accelerometer", [small.acceleration("ann", 5000, 0.5)], name="new.json")
        return True

    forgotten = small_lakehouse.erase([("email", ANN)], confirm=confirm)
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    assert len(asked) == 2
    assert asked[1] == {**asked[0], "accelerometer/new.json": 1}
    assert holding(small_lakehouse.root, ANN) == []


@already_run
def test_a_no_does_nothing(small_lakehouse: Lakehouse) -> None:
    before = rows_on_disk(small_lakehouse.root)
    assert small_lakehouse.erase([("email", ANN)], confirm=lambda found: False) is None
    assert rows_on_disk(small_lakehouse.root) == before
    assert not (small_lakehouse.root / "_stedi" / "erased").exists()


@already_run
def test_two_at_once_wait_or_are_told(small_lakehouse: Lakehouse) -> None:
    def confirm(found: Found) -> bool:
        other = Lakehouse(small_lakehouse.root, declarations=small_lakehouse._declarations)
        with other._root.lock(), pytest.raises(Locked):
            Lakehouse(small_lakehouse.root).erase([("email", "ben@example.com")])
        return True

    forgotten = small_lakehouse.erase([("email", ANN)], confirm=confirm)
    assert forgotten
    assert forgotten.proof.holds
    assert rows(small_lakehouse, "SELECT * FROM customer_landing WHERE email LIKE 'ben@%'")


@already_run
def test_who_is_not_there_is_kept_out_all_the_same(small_lakehouse: Lakehouse, land: Land) -> None:
    before = rows_on_disk(small_lakehouse.root)
    forgotten = small_lakehouse.erase([("email", "zoe@example.com")])
    assert forgotten
    assert forgotten.found.is_empty
    assert forgotten.proof.holds
    assert rows_on_disk(small_lakehouse.root) == before
    land("customer", [small.customer("zoe", "S50", 100, consent=100)], name="zoe.json")
    small_lakehouse.run()
    assert holding(small_lakehouse.root, "zoe@example.com") == []


def test_bloom_filters_forget_too(tmp_path: Path, not_anonymous: Path) -> None:
    """More raw data than is read record by record has Bloom filters of who is in it."""
    people = [small.customer(f"p{n}", f"D{n}", 100, consent=100) for n in range(4000)]
    small.land(tmp_path)
    small.write(tmp_path, "customer", people, "many.json")
    lakehouse = Lakehouse(tmp_path, declarations=not_anonymous)
    lakehouse.run()
    typed = tmp_path / "customer" / "typed" / "data"
    assert any(bloom_may_have(p, "email", "p77@example.com") for p in typed.rglob("*.parquet"))
    forgotten = lakehouse.erase([("email", "p77@example.com")])
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    files = [*typed.rglob("*.parquet")]
    assert files
    assert not any(bloom_may_have(p, "email", "p77@example.com") for p in files)
    assert any(bloom_may_have(p, "email", "p78@example.com") for p in files)
    assert holding(tmp_path, "p77@example.com") == []
    assert_whole(lakehouse)


@pytest.mark.parametrize(
    ("subjects", "said"),
    [
        ([], "nobody is named; give --email, --serial-number"),
        ([("email", "")], "--email: is empty"),
        ([("email", " \u200b ")], "--email: is empty"),
        ([("phone", "555")], "no such kind of subject; there are email, serial-number"),
    ],
)
def test_whom_nobody_can_mean_is_refused(
    small_lakehouse: Lakehouse, subjects: list[tuple[str, str]], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        small_lakehouse.held(subjects)
