"""Whom one may ask for is what contracts declare: nothing here is STEDI's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stedi import Lakehouse, UsageError
from tests.support.processes import stedi
from tests.support.traces import holding

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: urn:clinic:{table}
name: {table}
version: 1.0.0
status: active
description: {{purpose: Records of a clinic.}}
schema:
  - name: {table}
    logicalType: object
    physicalType: table
    customProperties:
      - {{property: zone, value: landing}}
      - {{property: source, value: {source}}}
{properties}
    properties:
{columns}
"""


def column(name: str, key: str, subject: str | None = None, type_: str = "string") -> str:
    logical = {"string": "string", "long": "integer"}[type_]
    declared = f"{{property: jsonKey, value: {key}}}"
    if subject:
        declared += f", {{property: subject, value: {subject}}}"
    kind = "direct" if subject else "quasi"
    return (
        f"      - {{name: {name}, logicalType: {logical}, physicalType: {type_}, required: true, "
        f"classification: {kind}, customProperties: [{declared}]}}\n"
    )


@pytest.fixture
def clinic(tmp_path: Path) -> Lakehouse:
    folder = tmp_path / "declarations"
    (folder / "contracts").mkdir(parents=True)
    (folder / "transforms").mkdir()
    patient = CONTRACT.format(
        table="patient_landing",
        source="patient",
        properties="      - {property: subject, value: insurance_number}\n"
        "      - {property: changedAt, value: seen}\n",
        columns=column("insurance_number", "insuranceNumber", "patient")
        + column("pump", "pumpId", "pump")
        + column("seen", "seen", type_="long"),
    )
    dose = CONTRACT.format(
        table="dose_landing",
        source="dose",
        properties="      - {property: enteredAt, value: at}\n",
        columns=column("pump", "pumpId", "pump") + column("at", "at", type_="long"),
    )
    (folder / "contracts" / "patient_landing.yaml").write_text(patient)
    (folder / "contracts" / "dose_landing.yaml").write_text(dose)
    root = tmp_path / "root"
    for source, records in {
        "patient": [
            {"insuranceNumber": "A-100-200", "pumpId": "pump-00001", "seen": 10},
            {"insuranceNumber": "B-300-400", "pumpId": "pump-00001", "seen": 50},
            {"insuranceNumber": "A-100-200", "pumpId": "pump-00002", "seen": 50},
        ],
        "dose": [
            {"pumpId": "pump-00001", "at": 20},
            {"pumpId": "pump-00001", "at": 60},
            {"pumpId": "pump-00002", "at": 60},
            {"pumpId": "pump-00003", "at": 60},
        ],
    }.items():
        path = root / source / "landing" / "one.json"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return Lakehouse(root, declarations=folder)


@pytest.mark.parametrize("is_run", [False, True])
def test_other_declarations_have_other_subjects(clinic: Lakehouse, is_run: bool) -> None:
    assert dict(clinic.subject_options) == {"insurance-number": "patient", "pump-id": "pump"}
    if is_run:
        clinic.run()
    with pytest.raises(UsageError, match="2 people have or had it"):
        clinic.held([("pump-id", "pump-00001")])
    root = clinic.root
    stedi(
        "erase", "--insurance-number", "A-100-200", "--yes",
        "--root", root, "--declarations", str(clinic._declarations),
    )  # fmt: skip
    assert holding(root, "A-100-200", "pump-00002") == []
    dose = (root / "dose" / "landing" / "one.json").read_text().splitlines()
    assert [json.loads(line) for line in dose] == [
        {"pumpId": "pump-00001", "at": 60}, {"pumpId": "pump-00003", "at": 60},
    ]  # fmt: skip
    if is_run:
        assert clinic.status(verify=True).ok
        assert clinic.run().built == ()
    # Patients have no enteredAt: all delivered records of an erased one count as earlier.
    (root / "patient" / "landing" / "new.json").write_text(
        json.dumps({"insuranceNumber": "A-100-200", "pumpId": "pump-00009", "seen": 10**15}) + "\n"
    )
    clinic.run()
    assert holding(root, "A-100-200") == []
