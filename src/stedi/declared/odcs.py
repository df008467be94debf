"""Reads contracts, strictly, from files of the Open Data Contract Standard v3.

The standard's own pydantic model reads the YAML, with unknown keys forbidden at every level. What
the standard leaves open (`logicalTypeOptions`, `customProperties`) is read by closed models here,
so that a misspelt key anywhere is an error that names its place.

Specification: https://bitol-io.github.io/open-data-contract-standard/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar, cast, get_args

from open_data_contract_standard.model import (
    CustomProperty,
    DataQuality,
    Description,
    OpenDataContractStandard,
    SchemaProperty,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from stedi.columns import STRENGTH, TYPES, Classification, Column, ColumnType
from stedi.declared.contract import (
    DEFAULT_LEAST_MATCHED,
    DEFAULT_SNAPSHOT_DAYS,
    DEFAULT_UNPACKED_BYTES,
    DEFAULT_UNPACKED_RATIO,
    RECOMMENDED_K,
    Coarsened,
    Contract,
    Margins,
    Noise,
    Publication,
    Redelivered,
    Retention,
    Rule,
    Severity,
    Zone,
)
from stedi.declared.machinery import MACHINERY
from stedi.declared.names import NAMED, is_location, is_name, overlaps
from stedi.declared.patterns import why_refused
from stedi.declared.private import LEAST_EPSILON, MOST_EPSILON, Private, Resolution, Warp
from stedi.declared.texts import Texts
from stedi.declared.wrong_values import in_words
from stedi.declared.yaml_documents import read_yaml
from stedi.errors import DeclarationError

_LOGICAL_TYPES = {type_: names.odcs for type_, names in TYPES.items() if names.odcs}
_DEFAULT_BAD_SHARE = 0.9
_DEFAULT_ASIDE_SHARE = 0.75


def read_contracts(texts: Texts) -> dict[str, Contract]:
    """Read every contract; by table name, in the order of zones and names.

    Raises `DeclarationError`, which lists everything that is wrong in all files.
    """
    contracts: list[Contract] = []
    problems: list[str] = []
    for name, text in texts.contracts.items():
        try:
            contracts.append(_read(f"contracts/{name}", text))
        except DeclarationError as error:
            problems.append(str(error))
    problems += _clashes(contracts)
    if problems:
        raise DeclarationError("\n".join(problems))
    zones = get_args(Zone)
    contracts.sort(key=lambda c: (zones.index(c.zone), c.name))
    return {contract.name: contract for contract in contracts}


_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Closed(BaseModel):
    """A model of ours that takes its declared keys, in camelCase, and no others."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, alias_generator=to_camel, validate_by_name=False
    )


class _WorkingColumn(_Closed):
    name: str
    physical_type: ColumnType
    classification: Classification
    description: str = ""


class _Coarsened(_Closed):
    column: str
    minimum: float
    maximum: float
    grid: Annotated[float, Field(gt=0)]
    origin: float = 0.0
    edges: list[float] = []


class _Warp(_Closed):
    column: str
    centre: _Finite
    spread: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Resolution(_Closed):
    epsilon: Annotated[float, Field(ge=LEAST_EPSILON, le=MOST_EPSILON)]
    frequencies: Annotated[float, Field(ge=1, le=16)]
    target: list[Annotated[int, Field(ge=0, le=32)]] = []
    clip: Annotated[float, Field(ge=1, le=1e6)]


class _Private(_Closed):
    table: str
    location: str
    warps: Annotated[list[_Warp], Field(min_length=1)]
    resolutions: Annotated[list[_Resolution], Field(min_length=1)]
    rows_per_person: Annotated[int, Field(ge=1)]
    epsilon: Annotated[float, Field(ge=LEAST_EPSILON, le=MOST_EPSILON)]
    delta: Annotated[float, Field(gt=0, le=1e-3)]
    lifetime_epsilon: Annotated[float, Field(ge=LEAST_EPSILON, le=MOST_EPSILON)]
    days: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Noise(_Closed):
    scale: Annotated[float, Field(ge=1, le=1e4)]
    rows_per_person: Annotated[int, Field(ge=1)]
    profiles: Annotated[list[str], Field(min_length=1)] | None = None


class _Publication(_Closed):
    k: Annotated[int, Field(ge=1)]
    people_per_box: Annotated[int, Field(ge=1)]
    people: Annotated[list[str], Field(min_length=1, max_length=2)]
    target: _Coarsened | None = None
    axes: Annotated[list[_Coarsened], Field(min_length=1)]
    working_columns: list[_WorkingColumn]
    controls: str | None = None
    identities: str | None = None
    weaker_than_recommended: str | None = None
    suppress: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rows_per_person: Annotated[int, Field(ge=1)] | None = None
    spread_margin: Annotated[float, Field(gt=0)] = 0.25
    people_between_releases: Annotated[int, Field(ge=0)] | None = None
    private: _Private | None = None
    noise: _Noise | None = None
    attacked_people: Annotated[int, Field(ge=100)] = 100_000


class _Margins(_Closed):
    rows: Annotated[float, Field(ge=0)] = 0.5
    set_aside: Annotated[float, Field(ge=0, le=1)] = 0.05
    consenting: Annotated[float, Field(ge=0, le=1)] = 0.1
    per_person: Annotated[float, Field(ge=0)] = 0.5


class _TableProperties(_Closed):
    zone: Zone
    max_bad_share: Annotated[float, Field(ge=0, le=1)] | None = None
    max_aside_share: Annotated[float, Field(ge=0, le=1)] | None = None
    max_unpacked_ratio: Annotated[float, Field(ge=1)] | None = None
    max_unpacked_bytes: Annotated[int, Field(ge=1)] | None = None
    location: str | None = None
    source: str | None = None
    subject: str | None = None
    records_under: Annotated[str, Field(min_length=1, pattern=r'^[^"\\\x00-\x1f]+$')] | None = None
    redelivered: Redelivered | None = None
    publication: _Publication | None = None
    key: str | None = None
    snapshot_days: Annotated[float, Field(ge=0)] | None = None
    withdrawal_days: Annotated[float, Field(ge=0)] | None = None
    suspensions: str | None = None
    retention_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    retention_column: str | None = None
    entered_at: str | None = None
    changed_at: str | None = None
    consent_at: str | None = None
    least_matched: Annotated[float, Field(ge=0, le=1)] | None = None
    margins: _Margins = _Margins()


class _ColumnProperties(_Closed):
    json_key: str | None = None
    subject: str | None = None
    folded_from: str | None = None
    arrival: bool = False
    lenient: bool = False
    unit: Annotated[str, Field(min_length=1, max_length=20)] | None = None


class _StringOptions(_Closed):
    min_length: Annotated[int, Field(ge=0)] | None = None
    max_length: Annotated[int, Field(ge=0)] | None = None
    pattern: str | None = None


class _NumberOptions(_Closed):
    minimum: float | None = None
    maximum: float | None = None


class _IntegerOptions(_Closed):
    minimum: int | None = None
    maximum: int | None = None


_Model = TypeVar("_Model", bound=BaseModel)


class _Problem(Exception):
    """Something wrong at a place inside one contract."""


def _read(place: str, text: bytes) -> Contract:
    document = read_yaml(place, text)
    try:
        standard = _validate(OpenDataContractStandard, document, "")
        return _contract(place, standard)
    except _Problem as problem:
        raise DeclarationError(
            "\n".join(f"{place}: {line}" for line in str(problem).split("\n"))
        ) from None


def _validate(model: type[_Model], value: object, where: str) -> _Model:
    try:
        return model.model_validate(value, extra="forbid", by_alias=True, by_name=False)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            place = ".".join([*filter(None, [where]), *map(str, problem["loc"])])
            problems.append(f"{place}: {in_words(problem)}")
        raise _Problem("\n".join(problems)) from None


def _contract(place: str, standard: OpenDataContractStandard) -> Contract:
    if standard.kind != "DataContract" or not (standard.apiVersion or "").startswith("v3."):
        raise _Problem("kind must be DataContract and apiVersion v3.x")
    if not standard.schema_ or len(standard.schema_) != 1:
        raise _Problem("schema: one table a contract")
    table = standard.schema_[0]
    name = table.name or ""
    where = f"schema.{name}"
    if not is_name(name) or place.removeprefix("contracts/").removesuffix(".yaml") != name:
        raise _Problem(f"{where}.name: {NAMED}; and the same as the file's name")
    if name in MACHINERY:
        raise _Problem(f"{where}.name: {name} is a table that every lakehouse has already")
    properties = _custom(_TableProperties, table.customProperties, where)
    if properties.location is not None and not is_location(properties.location):
        raise _Problem(
            f"{where}.customProperties.location: a path below the lakehouse folder, of names that "
            f"have {NAMED}"
        )
    if properties.source is not None and not is_name(properties.source):
        raise _Problem(f"{where}.customProperties.source: {NAMED}; it names a folder")
    if not all((properties.records_under or "key").split(".")):
        raise _Problem(
            f"{where}.customProperties.recordsUnder: keys with one dot between two of them"
        )
    if (properties.zone == "landing") != (properties.source is not None):
        raise _Problem(f"{where}.customProperties.source: landing tables have one, others none")
    for limit in (
        *("max_bad_share", "max_aside_share", "max_unpacked_ratio", "max_unpacked_bytes"),
        *("records_under", "redelivered"),
    ):
        if properties.zone != "landing" and getattr(properties, limit) is not None:
            raise _Problem(f"{where}.customProperties.{to_camel(limit)}: for landing tables only")
    if properties.zone == "landing" and properties.least_matched is not None:
        raise _Problem(f"{where}.customProperties.leastMatched: for derived tables only")
    columns = tuple(_column(column, where, properties.zone) for column in table.properties or ())
    if not columns:
        raise _Problem(f"{where}.properties: a table has columns")
    delivered = {column.name: column for column in columns if not column.is_computed}
    if properties.subject and properties.subject not in delivered:
        raise _Problem(f"{where}.customProperties.subject: no column {properties.subject}")
    if properties.subject and delivered[properties.subject].lenient:
        raise _Problem(f"{where}.properties.{properties.subject}.lenient: it names the subject")
    columns = tuple(_folded(c, delivered, where) if c.folded_from else c for c in columns)
    _refuse_no_time(properties, columns, where)
    about = standard.description or Description()
    bad_share, aside_share = properties.max_bad_share, properties.max_aside_share
    least_matched = properties.least_matched
    contract = Contract(
        name=name,
        zone=properties.zone,
        location=properties.location or _default_location(name, properties),
        description=about.purpose or table.description or "",
        usage=about.usage or "",
        limitations=about.limitations or "",
        version=standard.version or "",
        columns=columns,
        rules=tuple(_rule(rule, where) for rule in table.quality or ()),
        source=properties.source,
        subject=properties.subject,
        records_under=properties.records_under,
        redelivered=properties.redelivered or "once",
        max_bad_share=_DEFAULT_BAD_SHARE if bad_share is None else bad_share,
        max_aside_share=_DEFAULT_ASIDE_SHARE if aside_share is None else aside_share,
        publication=_publication(properties.publication, columns, where),
        key=_key(properties, columns, where),
        retention=_retention(properties, columns, where),
        place=place,
        max_unpacked_ratio=properties.max_unpacked_ratio or DEFAULT_UNPACKED_RATIO,
        max_unpacked_bytes=properties.max_unpacked_bytes or DEFAULT_UNPACKED_BYTES,
        suspensions=properties.suspensions,
        entered_at=properties.entered_at,
        changed_at=properties.changed_at,
        consent_at=properties.consent_at,
        margins=Margins(**properties.margins.model_dump()),
        least_matched=DEFAULT_LEAST_MATCHED if least_matched is None else least_matched,
    )
    _refuse_twice(where, "column", (column.name for column in contract.selected_columns))
    _refuse_twice(where, "rule", (rule.name for rule in contract.rules))
    _refuse_twice(where, "jsonKey", ((c.json_key or "").lower() for c in columns if c.json_key))
    return contract


def _folded(column: Column, delivered: Mapping[str, Column], table: str) -> Column:
    """A folded column, which is a text as sensitive as the one it is made from, and as blank."""
    source = delivered.get(str(column.folded_from))
    where = f"{table}.properties.{column.name}"
    if source is None or "string" not in (column.type, source.type) or column.type != source.type:
        raise _Problem(f"{where}.customProperties.foldedFrom: a delivered column of type string")
    if STRENGTH[column.classification] < STRENGTH[source.classification]:
        raise _Problem(f"{where}.classification: {source.classification}, as {source.name} is")
    return replace(column, required=column.required and source.required)


def _refuse_no_time(properties: _TableProperties, columns: tuple[Column, ...], table: str) -> None:
    times = {column.name for column in columns if column.type == "long"}
    for what, name in (
        ("enteredAt", properties.entered_at),
        ("changedAt", properties.changed_at),
        ("consentAt", properties.consent_at),
    ):
        if name is not None and name not in times:
            raise _Problem(f"{table}.customProperties.{what}: no column {name} of type long")


def _key(properties: _TableProperties, columns: tuple[Column, ...], table: str) -> str | None:
    where, key = f"{table}.customProperties.key", properties.key
    if key is None:
        return None
    if properties.zone == "landing" or properties.publication:
        raise _Problem(f"{where}: landing tables and published ones aren't maintained by a key")
    if not any(column.name == key and column.required for column in columns):
        raise _Problem(f"{where}: {key} is no required column of the table")
    return key


def _retention(properties: _TableProperties, columns: tuple[Column, ...], table: str) -> Retention:
    where = f"{table}.customProperties"
    if properties.withdrawal_days is not None and properties.key is None:
        raise _Problem(f"{where}.withdrawalDays: for tables whose key names people")
    if properties.publication and properties.snapshot_days is not None:
        raise _Problem(f"{where}.snapshotDays: of a published table no snapshot is kept")
    if properties.suspensions is not None and properties.key is None:
        raise _Problem(f"{where}.suspensions: for tables whose key names people")
    _refuse_no_retention(properties, columns, where)
    days = properties.snapshot_days
    return Retention(
        DEFAULT_SNAPSHOT_DAYS if days is None else days,
        properties.withdrawal_days,
        properties.retention_days,
        properties.retention_column,
    )


def _refuse_no_retention(
    properties: _TableProperties, columns: tuple[Column, ...], where: str
) -> None:
    """Refuse a time that records are kept for, where nobody could tell when it is over."""
    days, name = properties.retention_days, properties.retention_column
    if (days is None) != (name is None):
        raise _Problem(f"{where}.retentionDays: needs retentionColumn, and that needs it")
    if days is None:
        return
    if properties.zone != "landing":
        raise _Problem(f"{where}.retentionDays: for landing tables; those made from them follow")
    if not any(c.name == name and c.type == "long" and c.required for c in columns):
        raise _Problem(f"{where}.retentionColumn: {name} is no required column of type long")
    if properties.changed_at not in (None, name):
        raise _Problem(
            f"{where}.retentionColumn: {properties.changed_at}, which changedAt names; by another "
            "a withdrawal could go before the consent that it ends"
        )


def _default_location(name: str, properties: _TableProperties) -> str:
    if properties.zone == "landing":
        return f"{properties.source}/typed"
    return f"{name.removesuffix('_' + properties.zone)}/{properties.zone}"


def _custom(model: type[_Model], properties: list[CustomProperty] | None, where: str) -> _Model:
    values = {str(p.property): p.value for p in properties or ()}
    if len(values) != len(properties or ()):
        raise _Problem(f"{where}.customProperties: a property twice")
    return _validate(model, values, f"{where}.customProperties")


def _column(column: SchemaProperty, table: str, zone: Zone) -> Column:
    where = f"{table}.properties.{column.name}"
    if not is_name(column.name):
        raise _Problem(f"{where}: column names are lower case, as Glue keeps them")
    physical_type = column.physicalType
    if physical_type is None or physical_type not in _LOGICAL_TYPES:
        raise _Problem(f"{where}.physicalType: one of {', '.join(_LOGICAL_TYPES)}")
    if column.logicalType != _LOGICAL_TYPES[physical_type]:
        raise _Problem(f"{where}.logicalType: {_LOGICAL_TYPES[physical_type]} for {physical_type}")
    if column.classification not in get_args(Classification):
        raise _Problem(f"{where}.classification: one of {', '.join(get_args(Classification))}")
    if column.quality:
        raise _Problem(f"{where}.quality: rules stand at the table, as SQL")
    options: dict[str, Any] = {}
    if column.logicalTypeOptions is not None:
        models: dict[str, type[BaseModel]] = {
            "long": _IntegerOptions,
            "double": _NumberOptions,
            "string": _StringOptions,
        }
        options = _validate(
            models[physical_type], column.logicalTypeOptions, f"{where}.logicalTypeOptions"
        ).model_dump()
    for least, most in (("minimum", "maximum"), ("min_length", "max_length")):
        low, high = options.get(least), options.get(most)
        if low is not None and high is not None and low > high:
            names = f"{to_camel(least)} {low:.15g} is above {to_camel(most)} {high:.15g}"
            raise _Problem(f"{where}.logicalTypeOptions: {names}")
    if (pattern := options.get("pattern")) is not None and (why := why_refused(pattern)):
        raise _Problem(f"{where}.logicalTypeOptions.pattern: {why}")
    given = _custom(_ColumnProperties, column.customProperties, where)
    json_key, subject = given.json_key, given.subject
    if subject is not None and column.classification != "direct":
        raise _Problem(f"{where}.customProperties.subject: for columns classified direct")
    if subject is not None and not is_name(subject):
        raise _Problem(f"{where}.customProperties.subject: lower case with underscores")
    computed = (given.folded_from, given.arrival or None)
    if sum(value is not None for value in (json_key, *computed)) != (zone == "landing"):
        raise _Problem(
            f"{where}.customProperties.jsonKey: landing columns have one, others none; a landing "
            "column that is computed has foldedFrom or arrival instead"
        )
    if given.arrival and physical_type != "long":
        raise _Problem(f"{where}.customProperties.arrival: a time in milliseconds, so a long")
    if given.lenient and (json_key is None or physical_type != "string" or subject is not None):
        raise _Problem(
            f"{where}.customProperties.lenient: for delivered texts that identify no subject"
        )
    if any(computed) and any(value is not None for value in options.values()):
        raise _Problem(f"{where}.logicalTypeOptions: for what is delivered; this is computed")
    return Column(
        name=str(column.name),
        type=physical_type,
        classification=cast(Classification, column.classification),
        description=column.description or "",
        required=bool(column.required),
        unique=bool(column.unique),
        json_key=json_key,
        subject=subject,
        folded_from=given.folded_from,
        is_arrival=given.arrival,
        lenient=given.lenient,
        unit=given.unit,
        **options,
    )


def _rule(rule: DataQuality, table: str) -> Rule:
    where = f"{table}.quality.{rule.name}"
    if not is_name(rule.name):
        raise _Problem(f"{where}.name: lower case with underscores")
    if rule.type != "sql" or not rule.query:
        raise _Problem(f"{where}: type: sql, with a query")
    if rule.mustBe != 0 or isinstance(rule.mustBe, bool):
        raise _Problem(f"{where}.mustBe: 0, the query counts what is wrong")
    if rule.severity not in get_args(Severity):
        raise _Problem(f"{where}.severity: one of {', '.join(get_args(Severity))}")
    if not rule.description:
        raise _Problem(f"{where}.description: says what the count counts")
    severity = cast(Severity, rule.severity)
    return Rule(str(rule.name), rule.description.strip(), rule.query.strip(), severity)


def _publication(
    declared: _Publication | None, columns: tuple[Column, ...], table: str
) -> Publication | None:
    if declared is None:
        return None
    where = f"{table}.customProperties.publication"
    working = tuple(
        Column(c.name, c.physical_type, c.classification, c.description)
        for c in declared.working_columns
    )
    numbers = {column.name for column in working if column.type == "long"}
    for name in declared.people:
        if name not in numbers:
            raise _Problem(f"{where}.people: no working column {name} of type long")
    between = declared.people_between_releases
    reason = (declared.weaker_than_recommended or "").strip().rstrip(".")
    publication = Publication(
        k=declared.k,
        people_per_box=declared.people_per_box,
        people=tuple(declared.people),
        target=_coarsened(declared.target, f"{where}.target") if declared.target else None,
        axes=tuple(_coarsened(axis, f"{where}.axes.{axis.column}") for axis in declared.axes),
        working_columns=working,
        controls=declared.controls,
        identities=declared.identities,
        weaker_than_recommended=reason or None,
        suppress=declared.suppress,
        rows_per_person=declared.rows_per_person,
        spread_margin=declared.spread_margin,
        people_between_releases=declared.k if between is None else between,
        attacked_people=declared.attacked_people,
    )
    if declared.k < RECOMMENDED_K and not reason:
        raise _Problem(
            f"{where}.k: {declared.k} is weaker than the {RECOMMENDED_K} that are recommended, and "
            f"one person may have 1/{declared.k} of a class: state why, as weakerThanRecommended"
        )
    if declared.k >= RECOMMENDED_K and declared.weaker_than_recommended is not None:
        raise _Problem(f"{where}.weakerThanRecommended: a k of {declared.k} isn't; leave it out")
    if declared.people_per_box < declared.k:
        raise _Problem(f"{where}.peoplePerBox: at least k, which is {declared.k}")
    coarsened = [c.column for c in publication.coarsened]
    _refuse_twice(where, "column", coarsened)
    for column in columns:
        if column.name not in coarsened:
            raise _Problem(f"{where}: column {column.name} is published, but isn't generalised")
        if column.type != "double":
            raise _Problem(f"{where}: column {column.name} is generalised, so it must be a double")
    for name in set(coarsened) - {column.name for column in columns}:
        raise _Problem(f"{where}: generalises {name}, which the table has not")
    return replace(
        publication,
        private=_private(declared, f"{where}.private"),
        noise=_noise(declared, f"{where}.noise"),
    )


def _noise(declared: _Publication, where: str) -> Noise | None:
    noise = declared.noise
    if noise is None:
        return None
    _refuse_twice(f"{where}.profiles", "profile", noise.profiles or ())
    if declared.rows_per_person is not None and noise.rows_per_person > declared.rows_per_person:
        most = f"{declared.rows_per_person:,}"
        raise _Problem(f"{where}.rowsPerPerson: at most publication.rowsPerPerson, which is {most}")
    return Noise(noise.scale, noise.rows_per_person, tuple(noise.profiles or ()))


_MOST_AXES, _MOST_COEFFICIENTS = 3, 2_000
"""Of a private release: what its densities are worked out over, and by."""


def _private(declared: _Publication, where: str) -> Private | None:
    private = declared.private
    if private is None:
        return None
    if not is_name(private.table) or private.table in MACHINERY:
        raise _Problem(f"{where}.table: {NAMED}; and none that every lakehouse has")
    if not is_location(private.location):
        raise _Problem(
            f"{where}.location: a path below the lakehouse folder, of names that have {NAMED}"
        )
    if declared.identities is None:
        raise _Problem(f"{where}: needs identities, which say who one person is")
    if len(declared.axes) > _MOST_AXES:
        raise _Problem(f"{where}: for {_MOST_AXES} axes at most, since the noise would be too much")
    columns = [axis.column for axis in declared.axes]
    columns += [declared.target.column] if declared.target else []
    _refuse_twice(f"{where}.warps", "column", (warp.column for warp in private.warps))
    if {warp.column for warp in private.warps} != set(columns):
        raise _Problem(f"{where}.warps: one for each of {', '.join(columns)}")
    resolutions = tuple(
        Resolution(r.epsilon, r.frequencies, tuple(r.target), r.clip) for r in private.resolutions
    )
    if [r.epsilon for r in resolutions] != sorted({r.epsilon for r in resolutions}):
        raise _Problem(f"{where}.resolutions: by epsilon, the least first, each once")
    for r in resolutions:
        if len(r.waves(len(declared.axes))) > _MOST_COEFFICIENTS:
            raise _Problem(
                f"{where}.resolutions: at most {_MOST_COEFFICIENTS:,} coefficients of each band"
            )
        if declared.target and not (r.target and r.target[0]):
            raise _Problem(f"{where}.resolutions.target: at least one frequency of the target")
    if private.epsilon > private.lifetime_epsilon:
        raise _Problem(f"{where}.epsilon: at most lifetimeEpsilon")
    return Private(
        table=private.table,
        location=private.location,
        warps=tuple(Warp(w.column, w.centre, w.spread) for w in private.warps),
        resolutions=resolutions,
        rows_per_person=private.rows_per_person,
        epsilon=private.epsilon,
        delta=private.delta,
        lifetime_epsilon=private.lifetime_epsilon,
        days=private.days,
    )


_MOST_ON_A_GRID = 1 << 30


def _coarsened(declared: _Coarsened, where: str) -> Coarsened:
    if not declared.minimum < declared.maximum:
        raise _Problem(f"{where}: minimum lies below maximum")
    if (declared.maximum - declared.minimum) / declared.grid > _MOST_ON_A_GRID:
        raise _Problem(f"{where}.grid: at most {_MOST_ON_A_GRID:,} steps from minimum to maximum")
    for what, value in (
        ("minimum", declared.minimum), ("maximum", declared.maximum),
        *(("edges", edge) for edge in declared.edges),
    ):  # fmt: skip
        steps = (value - declared.origin) / declared.grid
        if abs(steps - round(steps)) > _OFF_GRID:
            raise _Problem(f"{where}.{what}: {value:.15g} is not on the grid")
        if not declared.minimum <= value <= declared.maximum:
            raise _Problem(f"{where}.{what}: {value:.15g} is not between minimum and maximum")
    return Coarsened(**declared.model_dump(exclude={"edges"}), edges=tuple(declared.edges))


_OFF_GRID = 1e-6
"""In steps: how far a declared value may be from the grid, since doubles are."""


def _refuse_twice(where: str, what: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise _Problem(f"{where}: {what} {name} twice")


def _clashes(contracts: list[Contract]) -> list[str]:
    """Tables of one source, in one place, or in that of another table or of raw files."""
    tables = {c.name: c.location for c in contracts}
    private = [p for c in contracts if c.publication and (p := c.publication.private)]
    clashing = [p.table for p in private if p.table in tables]
    clashing += [name for name, count in Counter(p.table for p in private).items() if count > 1]
    tables |= {p.table: p.location for p in private}
    places = tables | {
        f"{c.name}'s raw files": f"{c.source}/landing" for c in contracts if c.source
    }
    problems = [
        f"contracts/{inner if inner in tables else outer}.yaml: location: "
        f"{places[inner]} ({inner}) lies in {places[outer]} ({outer})"
        for inner, outer in overlaps(places)
        if places[inner] != places[outer] or (inner in tables) != (outer in tables)
    ]
    problems += [f"private.table: {name} is another table's name" for name in clashing]
    suspending = [contract.place for contract in contracts if contract.suspensions]
    problems += [f"{place}: suspensions of another table too" for place in suspending[1:]]
    for what, names in (
        ("location", tables),
        ("source", {c.name: c.source for c in contracts if c.source}),
    ):
        for name, value in names.items():
            problems += [
                f"contracts/{name}.yaml: {what} {value} is also {earlier}'s"
                for earlier in names
                if names[earlier] == value and earlier < name
            ]
    return problems
