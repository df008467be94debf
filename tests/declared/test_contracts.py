"""Contracts are read strictly: what is misspelt or doesn't fit is an error that names its place."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import TypeGuard

import pytest
from pydantic import BaseModel

from stedi import DeclarationError, Lakehouse
from stedi.declared import odcs, packaged, read_declarations
from stedi.declared.patterns import matching
from tests.conftest import counts
from tests.support import small

CONTRACT = "contracts/accelerometer_trusted.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(str(packaged()), tmp_path / "declarations")
    return tmp_path / "declarations"


def edit(folder: Path, file: str, find: str, replace: str) -> None:
    path = folder / file
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, replace, 1))


def message(folder: Path, profile: str = "seed") -> str:
    with pytest.raises(DeclarationError) as caught:
        Lakehouse(folder.parent / "root", declarations=folder).check(profile=profile)
    return str(caught.value)


def test_the_packaged_declarations_fit_together_in_every_profile() -> None:
    for profile in ("seed", "strict", "shielded"):
        assert len(Lakehouse("unused").check(profile=profile).tables) == 8


@pytest.mark.parametrize(
    ("find", "replace", "place"),
    [
        ("classification: direct", "clasification: direct", "schema.0.properties.0.clasification"),
        ("classification: direct", "classification: secret", "properties.user.classification"),
        ("required: true", "requierd: true", "schema.0.properties.0.requierd"),
        ("physicalType: string", "physicalType: text", "properties.user.physicalType"),
        ("logicalType: string", "logicalType: number", "properties.user.logicalType"),
        ("- property: zone", "- property: zoen", "customProperties.zoen"),
        ("- property: subject", "- property: subjekt", "properties.user.customProperties.subjekt"),
        ("value: customer", "value: The Customer", "properties.user.customProperties.subject"),
        ("classification: direct", "classification: quasi", "user.customProperties.subject"),
        ("value: trusted", "value: bronze", "customProperties.zone"),
        ("mustBe: 0", "mustBe: 1", "quality.user_without_consent.mustBe"),
        ("severity: error", "severity: fatal", "quality.user_without_consent.severity"),
        ("type: sql", "type: library", "quality.user_without_consent"),
        ("value: timestamp", "value: x", "customProperties.enteredAt: no column x of type long"),
        ("value: timestamp", "value: none", "customProperties.enteredAt: no column none"),
        ("kind: DataContract", "kind: Contract", "kind must be DataContract"),
        ("status: active", "staus: active", "staus"),
        ("  - name: accelerometer_trusted", "  - name: other", "schema.other.name"),
        ("name: x\n", "name: X\n", "properties.X"),
        ("name: x\n", "name: y\n", "column y twice"),
        ("version: 1.0.0", "version: 1.0.0\nversion: 2.0.0", "'version' twice"),
        ("schema:", "schema: [", "not YAML"),
        ("version: 1.0.0", "version: 2026-13-45", "line 5, column 10: not YAML: no timestamp"),
        ("version: 1.0.0", f"version: {1 << 63}", "beyond 64 bits"),
        ("version: 1.0.0", "version: " + "9" * 5_000, "beyond 64 bits"),
        ("version: 1.0.0", "version: 0x" + "f" * 5_000, "beyond 64 bits"),
        ("version: 1.0.0", "version: " + "[" * 950 + "]" * 950, CONTRACT),
        ("version: 1.0.0", "version: " + "[" * 5_000, "maximum nesting depth"),
    ],
)
def test_a_contract_that_is_wrong_names_the_place(
    folder: Path, find: str, replace: str, place: str
) -> None:
    edit(folder, CONTRACT, find, replace)
    said = message(folder)
    assert said.startswith(CONTRACT)
    assert place in said


def test_a_subject_is_proved_again_but_rebuilds_no_table(folder: Path) -> None:
    before = read_declarations(folder)
    edit(folder, CONTRACT, "value: customer", "value: device")
    after = read_declarations(folder)
    columns = after.contracts["accelerometer_trusted"].columns
    assert [column.subject for column in columns] == ["device", None, None, None, None]
    assert before.fingerprint("accelerometer_trusted") == after.fingerprint("accelerometer_trusted")
    assert before.fingerprint_of_all != after.fingerprint_of_all
    assert (
        "user has the subject device, but transforms/accelerometer_trusted.sql gives customer"
        in (message(folder))
    )


def test_without_subjects_nothing_says_whose_rows_there_are(folder: Path) -> None:
    subject = "          - property: subject\n            value: customer\n"
    edit(folder, "contracts/accelerometer_landing.yaml", subject, "")
    assert "declare the `subject` of a column" in message(folder)


def test_options_of_a_column_are_closed_too(folder: Path) -> None:
    edit(folder, "contracts/step_trainer_landing.yaml", "minimum: 0", "minimun: 0")
    assert "properties.sensorreadingtime.logicalTypeOptions.minimun" in message(folder)


def test_every_wrong_contract_is_listed_at_once(folder: Path) -> None:
    edit(folder, CONTRACT, "status: active", "staus: active")
    edit(folder, "contracts/customer_trusted.yaml", "status: active", "staus: active")
    assert len(message(folder).splitlines()) == 2


@pytest.mark.parametrize("location", ["../elsewhere", "/tmp/x", "_stedi/loads", "A/b"])
def test_a_location_stays_below_the_lakehouse_folder(folder: Path, location: str) -> None:
    edit(folder, "contracts/machine_learning_curated.yaml", "step_trainer/curated", location)
    assert "customProperties.location" in message(folder)


def test_two_tables_dont_share_a_location(folder: Path) -> None:
    edit(
        folder,
        "contracts/machine_learning_curated.yaml",
        "step_trainer/curated",
        "customer/curated",
    )
    assert "location customer/curated is also" in message(folder)


def test_the_standard_itself_accepts_the_contracts() -> None:
    import json

    import yaml
    from jsonschema import Draft201909Validator
    from open_data_contract_standard.model import OpenDataContractStandard

    text = OpenDataContractStandard.json_schema()  # type: ignore[no-untyped-call]
    schema = json.loads(text)
    for file in (Path(str(packaged())) / "contracts").iterdir():
        errors = list(Draft201909Validator(schema).iter_errors(yaml.safe_load(file.read_text())))
        assert not errors, (file.name, [error.message for error in errors])


def test_landing_columns_know_their_keys() -> None:
    contract = read_declarations(packaged()).contracts["customer_landing"]
    assert [column.json_key for column in contract.delivered][-1] == "shareWithFriendsAsOfDate"
    assert contract.subject == "email"


@pytest.mark.parametrize(
    ("file", "find", "replace", "said"),
    [
        ("accelerometer_trusted", "a.*,", "a.*, a.w AS v,", "w"),
        ("accelerometer_trusted", "c.email = a", "c.mail = a", "mail"),
        ("accelerometer_trusted", "customer_trusted c", "customers c", "reads customers"),
        ("accelerometer_trusted", "x, y, z\nFROM", "x, y\nFROM", "gives no column z"),
        ("accelerometer_trusted", "x, y, z\nFROM", "x, y, z, 1 AS w\nFROM", "gives column w"),
        ("step_trainer_trusted", "serialnumber, dist", "CAST(1 AS DOUBLE) AS serialnumber, dist", "is double"),
        ("machine_learning_curated", "  a.x,", "  CAST(a.x AS DECIMAL(9, 3)) AS x,", "is decimal(9,3)"),
        ("accelerometer_trusted", "SELECT \"user\"", "SELEC \"user\"", "line 30"),
        ("customer_curated", "FROM customer_trusted c", "FROM WHERE c", "Expected table name but got WHERE"),
        ("accelerometer_trusted", "WITH known", "DELETE FROM x; WITH known", "expected one SELECT"),
        ("customer_trusted", "FROM customer_landing l", "FROM customer_curated l", "a cycle"),
        ("customer_trusted", "dropped IS NULL", "dropped IS NULL AND email <> '", "a comment has no end"),
        ("customer_trusted", "dropped IS NULL", "dropped IS NULL /* why", "a comment has no end"),
        ("customer_trusted", "dropped IS NULL", f"{'(' * 400}dropped IS NULL{')' * 400}", "nests too deep"),
        ("customer_trusted", "dropped IS NULL", f"{'NOT ' * 400}dropped IS NULL", "nests too deep"),
        pytest.param("customer_trusted", "dropped IS NULL", " AND ".join(["dropped IS NULL"] * 2000), "nests too deep", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_transform_that_does_not_fit_names_the_place(
    folder: Path, file: str, find: str, replace: str, said: str
) -> None:
    edit(folder, f"transforms/{file}.sql", find, replace)
    assert said in message(folder)
    assert "transforms" in message(folder)


@pytest.mark.parametrize(
    "leak",
    [
        "CAST(length(a.\"user\") AS DOUBLE) AS x,",
        "(SELECT MAX(CAST(length(c.email) AS DOUBLE)) FROM customer_trusted c) AS x,",
        "CASE WHEN a.x > 0 THEN CAST(length(s.serialnumber) AS DOUBLE) ELSE a.x END AS x,",
        "CAST(max(length(s.serialnumber)) OVER () AS DOUBLE) AS x,",
    ],
)  # fmt: skip
def test_the_value_of_a_direct_column_does_not_reach_the_published_table(
    folder: Path, leak: str
) -> None:
    edit(folder, "transforms/machine_learning_curated.sql", "  a.x,", f"  {leak}")
    said = message(folder)
    assert "column x is classified quasi" in said
    assert "which is direct, reaches it" in said


def test_a_run_reads_nothing_before_the_proof(
    folder: Path, small_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak = 'CAST(length(a."user") AS DOUBLE) AS x,'
    edit(folder, "transforms/machine_learning_curated.sql", "  a.x,", f"  {leak}")
    begun = "stedi.run.land.Landing.begin"
    monkeypatch.setattr(begun, lambda _: pytest.fail("it reads what may leak"))
    with pytest.raises(DeclarationError, match="which is direct, reaches it"):
        Lakehouse(small_lakehouse.root, declarations=folder).run()


def test_a_run_whose_transform_does_not_fit_leaves_no_file(
    folder: Path, small_lakehouse: Lakehouse
) -> None:
    root = small_lakehouse.root
    before = {path for path in root.rglob("*") if path.is_file()}
    edit(folder, "transforms/accelerometer_trusted.sql", "x, y, z\nFROM", "x, y\nFROM")
    with pytest.raises(DeclarationError, match="gives no column z"):
        Lakehouse(root, declarations=folder).run()
    left = {path for path in root.rglob("*") if path.is_file()} - before
    assert left <= {root / "_stedi" / "lock"}
    small_lakehouse.run()
    assert counts(small_lakehouse) == small.SEED


def test_a_leak_in_an_earlier_table_is_found_there(folder: Path) -> None:
    edit(
        folder,
        "transforms/accelerometer_trusted.sql",
        '"timestamp", x, y, z',
        '"timestamp", CAST(length("user") AS DOUBLE) AS x, y, z',
    )
    assert "accelerometer_trusted.sql: column x is classified quasi" in message(folder)


def test_the_published_table_has_no_direct_column(folder: Path) -> None:
    edit(folder, "contracts/machine_learning_curated.yaml", "classification: quasi\n      - name: y", "classification: direct\n      - name: y")  # fmt: skip
    assert "classified direct, and the table is published" in message(folder)


def test_a_rule_that_can_not_run_is_found(folder: Path) -> None:
    edit(folder, "contracts/customer_curated.yaml", 'a."user" = c.email', "a.users = c.email")
    assert "customer_curated.yaml, rule customer_without_readings" in message(folder)


def test_a_table_needs_both_a_contract_and_a_select(folder: Path) -> None:
    (folder / "transforms" / "customer_curated.sql").unlink()
    assert "no SELECT transforms/customer_curated.sql" in message(folder)


def test_a_profile_that_does_not_exist_is_wrong_use() -> None:
    from stedi import UsageError

    with pytest.raises(UsageError, match="seed, shielded, strict"):
        Lakehouse("unused").check(profile="stricter")


def test_a_function_that_the_engine_lacks_is_found_before_any_data(folder: Path) -> None:
    edit(folder, "transforms/machine_learning_curated.sql", "  a.x,", "  frobnicate(a.x) AS x,")
    assert "machine_learning_curated.sql: Catalog Error: Scalar Function" in message(folder)


@pytest.mark.parametrize(
    "path", sorted(Path(str(packaged())).glob("contracts/*.yaml")), ids=lambda path: path.stem
)
def test_a_tool_that_is_not_ours_finds_nothing_to_say(path: Path) -> None:
    from datacontract.data_contract import DataContract

    run = DataContract(data_contract_file=str(path)).lint()
    assert [(check.result, check.reason) for check in run.checks or ()] == [("passed", None)]
    assert run.result == "passed"


def test_a_landing_tables_rule_reads_that_table_alone(folder: Path) -> None:
    edit(
        folder, "contracts/customer_landing.yaml", "FROM customer_landing", "FROM customer_trusted"
    )
    assert "birth_year_out_of_range: a landing table's rule reads that table alone" in message(
        folder
    )


def test_a_share_of_bad_records_is_for_landing_tables(folder: Path) -> None:
    edit(
        folder,
        "contracts/customer_curated.yaml",
        "      - property: zone\n",
        "      - property: maxBadShare\n        value: 0.5\n      - property: zone\n",
    )
    assert "maxBadShare: for landing tables only" in message(folder)
    edit(folder, "contracts/customer_landing.yaml", "value: 0.9", "value: 1.5")
    assert "must be 1.0 or less, not 1.5" in message(folder)


@pytest.mark.parametrize(
    ("find", "replace", "problem"),
    [
        ("            - {column: z, minimum: -131.072, maximum: 131.071, grid: 0.001}\n", "",
         "column z is published, but isn't generalised"),
        ("edges: [250]", "edges: [250.5]", "edges: 250.5 is not on the grid"),
        ("edges: [250]", "edges: [99999]", "is not between minimum and maximum"),
        ("edges: [250]", "edge: [250]", "edge: no such key"),
        ("k: 5\n", "k: 0\n", "k: must be 1 or more, not 0"),
        ("k: 5\n", "k: 4\n", "publication.k: 4 is weaker than the 5 that are recommended"),
        ("k: 5\n", "k: 4\n          weakerThanRecommended: ' '\n", "publication.k: 4 is weaker"),
        ("k: 5\n", "k: 4\n          weakerThanRecommend: few\n", "weakerThanRecommend: no such key"),
        ("k: 5\n", "k: 5\n          weakerThanRecommended: few\n",
         "publication.weakerThanRecommended: a k of 5 isn't; leave it out"),
        ("k: 5\n", "k: 50\n", "peoplePerBox: at least k, which is 50"),
        ("[step_person, accelerometer_person]", "[step_person, somebody]",
         "people: no working column somebody of type long"),
        ("{column: y,", "{column: x,", "column x twice"),
        ("minimum: -131.072, maximum: 131.071", "minimum: 131.071, maximum: 0", "minimum lies below"),
        ("u.person AS accelerometer_person\n            FROM", "a.x AS accelerometer_person\n            FROM",
         "controls: gives other columns than these, or other types"),
    ],
)  # fmt: skip
def test_a_publication_that_can_not_be_is_refused(
    folder: Path, find: str, replace: str, problem: str
) -> None:
    edit(folder, "contracts/machine_learning_curated.yaml", find, replace)
    assert problem in message(folder)


@pytest.mark.parametrize(
    ("find", "replace", "problem"),
    [
        ("delta: 1.0e-6", "delta: 0", "private.delta: must be more than 0"),
        ("delta: 1.0e-6", "delta: 0.1", "private.delta: must be"),
        ("delta: 1.0e-6", "delta: .nan", "private.delta"),
        ("epsilon: 1\n", "epsilon: 4\n", "private.epsilon: at most lifetimeEpsilon"),
        ("epsilon: 1\n", "epsilon: 0\n", "private.epsilon"),
        ("lifetimeEpsilon: 3", "lifetimeEpsilon: .inf", "private.lifetimeEpsilon"),
        ("lifetimeEpsilon: 3", "lifetime: 3", "private.lifetime: no such key"),
        ("days: 90 ", "days: -1 ", "private.days"),
        ("rowsPerPerson: 90\n", "rowsPerPerson: 0\n", "private.rowsPerPerson"),
        ("column: y, centre: 1", "column: w, centre: 1", "warps: one for each of x, y, z, distance"),
        ("column: y, centre: 1", "column: x, centre: 1", "warps: column x twice"),
        ("centre: 1, spread: 0.2", "centre: 1, spread: 0", "spread: must be more than 0"),
        ("centre: 1, spread: 0.2", "centre: .nan, spread: 0.2", "private.warps.1.centre"),
        ("clip: 297", "clip: .inf", "resolutions.0.clip"),
        ("frequencies: 5,", "frequencies: 99,", "resolutions.0.frequencies"),
        ("frequencies: 5,", "frequencies: 16,", "at most 2,000 coefficients"),
        ("target: [8, 3], clip: 297", "target: [], clip: 297", "at least one frequency of the target"),
        ("{epsilon: 3, freq", "{epsilon: 0.01, freq", "by epsilon, the least first, each once"),
        ("table: machine_learning_synthetic", "table: Synthetic", "private.table: lower case"),
        ("table: machine_learning_synthetic", "table: loads", "none that every lakehouse has"),
        ("table: machine_learning_synthetic", "table: customer_curated", "another table's name"),
        ("location: step_trainer/synthetic", "location: ../out", "private.location: a path below"),
        ("location: step_trainer/synthetic", "location: step_trainer/curated", "step_trainer/curated"),
        ("location: step_trainer/synthetic", "location: step_trainer/landing/a", "lies in"),
    ],
)  # fmt: skip
def test_a_private_release_that_can_not_be_is_refused(
    folder: Path, find: str, replace: str, problem: str
) -> None:
    edit(folder, "contracts/machine_learning_curated.yaml", find, replace)
    assert problem in message(folder)


def test_what_is_declared_of_a_private_release_rebuilds_no_table(folder: Path) -> None:
    one = read_declarations(folder)
    edit(folder, "contracts/machine_learning_curated.yaml", "clip: 297", "clip: 200")
    other = read_declarations(folder)
    assert one.fingerprint_of_all == other.fingerprint_of_all
    fingerprints = {declared.private[0][1].fingerprint for declared in (one, other)}
    assert len(fingerprints) == 2


def test_a_reason_for_a_small_k_changes_no_fingerprint(folder: Path) -> None:
    edit(
        folder,
        "contracts/machine_learning_curated.yaml",
        "k: 5\n",
        "k: 3\n          weakerThanRecommended: a pilot of few people.\n",
    )
    one = read_declarations(folder)
    edit(folder, "contracts/machine_learning_curated.yaml", "of few people", "within the team")
    other = read_declarations(folder)
    assert one.fingerprint_of_all == other.fingerprint_of_all
    [(table, weakness)] = other.weaknesses.items()
    assert table == "machine_learning_curated"
    assert weakness.startswith("k is 3, and one person may have up to 1/3 of a class: weaker than")
    assert weakness.endswith("The stated reason: a pilot within the team")
    assert read_declarations(packaged()).weaknesses == {}


DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference" / "declarations.md"
TUTORIAL = DOCS / "tutorials" / "ninth-table.md"


def test_the_table_in_the_docs_is_one_to_copy(
    small_lakehouse: Lakehouse, not_anonymous: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "declarations"
    shutil.copytree(not_anonymous, folder)
    text = TUTORIAL.read_text()
    for kind, file in (("yaml", "contracts"), ("sql", "transforms")):
        [content, *_] = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
        (folder / file / f"readings_per_customer.{kind}").write_text(content)
    lakehouse = Lakehouse(small_lakehouse.root, declarations=folder)
    lakehouse.check()
    lakehouse.run()
    assert counts(lakehouse) == {**small.SEED, "readings_per_customer": 7}


def test_the_select_in_the_docs_is_one_that_check_accepts(
    not_anonymous: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "declarations"
    shutil.copytree(not_anonymous, folder)
    [select] = re.findall(r"```sql\n(.*?)```", REFERENCE.read_text(), re.DOTALL)  # declarations.md
    (folder / "transforms" / "accelerometer_trusted.sql").write_text(select)
    assert "accelerometer_trusted" in Lakehouse(declarations=folder).check().tables


def test_the_docs_name_whatever_a_contract_may_say() -> None:
    text = REFERENCE.read_text()
    models = [model for model in vars(odcs).values() if is_model(model)]
    keys = {field.alias for model in models for field in model.model_fields.values()}
    assert len(keys) > 20
    assert [key for key in sorted(map(str, keys)) if f"`{key}`" not in text] == []


def is_model(value: object) -> TypeGuard[type[BaseModel]]:
    """Whether it is one of the closed models that a contract is read with."""
    return isinstance(value, type) and issubclass(value, odcs._Closed)


BAD_NAMES = [
    *("../outside", "..", ".", "", "/etc", "a/b", "a\\b", "_stedi", ".hidden", "a b", "a.b", "a\n"),
    *("Customer", "1st", "café", "a\x00b", "a%2fb", "~", "a" * 101, "-rf", "con:", "x;y"),
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_source_that_is_no_plain_name_is_refused(folder: Path, name: str) -> None:
    file = "contracts/accelerometer_landing.yaml"
    edit(folder, file, "value: accelerometer", f"value: {json.dumps(name)}")
    said = message(folder)
    assert said.startswith(file)
    assert "customProperties.source" in said


@pytest.mark.parametrize(
    "name", [*BAD_NAMES, "a//b", "a/", "/a", "a/../b", "a/..", "a/_b", "a/" * 8 + "b"]
)
def test_a_location_that_is_no_path_of_plain_names_is_refused(folder: Path, name: str) -> None:
    if name == "a/b":
        return
    file = "contracts/customer_trusted.yaml"
    location = f"customProperties:\n      - property: location\n        value: {json.dumps(name)}"
    edit(folder, file, "customProperties:", location)
    said = message(folder)
    assert said.startswith(file)
    assert "customProperties.location" in said


@pytest.mark.parametrize(
    "place",
    [
        "customer/landing",  # raw files
        "customer",  # has raw files and tables in it
        "accelerometer",
        "accelerometer/landing/data",
        "step_trainer/typed",  # another table
        "step_trainer/typed/metadata",
        "customer/curated/data/more",
    ],
)
def test_no_table_lies_in_the_place_of_another_or_among_raw_files(folder: Path, place: str) -> None:
    file = "contracts/customer_trusted.yaml"
    location = f"customProperties:\n      - property: location\n        value: {place}"
    edit(folder, file, "customProperties:", location)
    assert f"{place}" in message(folder)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        (r"(a)\1", "escape"),
        ("(?=a)b", "operator"),
        ("(?<!a)b", "operator"),
        ("(?>a+)b", "operator"),
        ("a++", "repetition operator"),
        ("((a{1,100}){1,100}){1,100}", "repetition size"),
        ("[a", "missing"),
        ("a" * 1_001, "1,000"),
    ],
)
def test_a_pattern_that_only_a_backtracking_engine_has_is_refused(
    folder: Path, pattern: str, says: str
) -> None:
    options = f"logicalType: string\n        logicalTypeOptions: {{pattern: {json.dumps(pattern)}}}"
    edit(folder, CONTRACT, "logicalType: string", options)
    said = message(folder)
    assert "logicalTypeOptions.pattern: " in said
    assert says in said


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$",
        "^(a|aa)+$",
        "^(a*)*b$",
        "(a|a)*$",
        "^([a-z]+)*!$",
        "(.*a){20}$",
        "^(a?){50}a{50}$",
    ],
)
def test_a_pattern_takes_time_linear_in_the_text(pattern: str) -> None:
    begin = time.perf_counter()
    for text in ("a" * 60 + "?", "a" * 200_000 + "?"):
        matching(pattern, [text])
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize("limit", ["pattern: ^[a-m]", "minLength: 9", "maxLength: 20"])
def test_a_limit_of_an_identifier_is_named(folder: Path, limit: str) -> None:
    """By its spelling, it decides which records are quarantined."""
    assert Lakehouse(folder, declarations=folder).check().limits == ()
    path = folder / "contracts" / "customer_landing.yaml"
    text = path.read_text()
    begin = text.index("- name: email\n")
    [indent, *_] = text[text.rindex("\n", 0, begin) + 1 :].split("-")
    option = f"{indent}  logicalTypeOptions:\n{indent}    {limit}\n"
    path.write_text(text.replace("- name: email\n", f"- name: email\n{option}", 1))
    [named] = Lakehouse(folder, declarations=folder).check().limits
    assert named == f"customer_landing.email ({limit.split(':')[0]})"


@pytest.mark.parametrize(
    ("find", "replace", "problem"),
    [
        ("maximum: ", "maximum: -", "minimum 0 is above maximum -"),
        ("minimum: 0", f"minimum: {1 << 62}", "is above maximum"),
        ("minimum: 0", "minimum: .nan", "minimum: must be"),
        ("minimum: 0", "minimum: 0\n          maximum: 1:30:00", "a number with colons"),
        ("minimum: 0", "maximum: 1:30.5", "a number with colons"),
        ("version: 1.0.0", "version: 12:30", "a number with colons"),
        *(
            (
                "- property: source",
                f"- property: recordsUnder\n        value: {under}\n      - property: source",
                "recordsUnder: keys with one dot between two of them",
            )
            for under in ("a..b", ".a", "a.", ".", "a.b..c")
        ),
    ],
)
def test_limits_and_keys_that_nothing_can_meet_are_refused(
    folder: Path, find: str, replace: str, problem: str
) -> None:
    place = "contracts/step_trainer_landing.yaml"
    text = (folder / place).read_text()
    (folder / place).write_text(text.replace(find, replace, 1))
    assert problem in message(folder)
