"""Rewrites of the real transforms, with a verdict on each that was decided by hand.

A rewrite replaces one file. `x` stands for an expression put in the place of x in the last one.
"""

from __future__ import annotations

PEOPLE = """
  LEFT JOIN (
    SELECT serialnumber, ROW_NUMBER() OVER (ORDER BY serialnumber) AS person
    FROM customer_trusted GROUP BY serialnumber
  ) p ON p.serialnumber = s.serialnumber
  LEFT JOIN (
    SELECT email, DENSE_RANK() OVER (ORDER BY serialnumber) AS person FROM customer_trusted
  ) u ON u.email = a."user"
"""
PAIRS = f"""
  FROM step_trainer_trusted s
  INNER JOIN accelerometer_trusted a ON a."timestamp" = s.sensorreadingtime
  LEFT JOIN customer_trusted c ON c.email = a."user"
  {PEOPLE}
"""
DISTANCE = "CAST(s.distancefromobject AS DOUBLE) AS distancefromobject"
NUMBERS = "p.person AS step_person, u.person AS accelerometer_person"
WORKING = f"{NUMBERS}, 0 AS taken_before_consent"
KEPT = "step_person, accelerometer_person, 0 AS taken_before_consent"
LAST = "machine_learning_curated"


def in_place_of_x(expression: str, source: str = PAIRS) -> str:
    """The last transform, with an expression as x."""
    return f"SELECT {DISTANCE}, {expression} AS x, a.y, a.z, {WORKING} {source}"


def accelerations(expression: str, source: str = "") -> str:
    """accelerometer_trusted, with an expression as x."""
    source = source or (
        'FROM accelerometer_landing a INNER JOIN customer_trusted c ON c.email = a."user"'
    )
    return f'SELECT a."user", a."timestamp", {expression} AS x, a.y, a.z {source}'


def last(select: str, source: str = PAIRS) -> str:
    return f"SELECT {DISTANCE}, a.x, a.y, a.z, {WORKING} {source} {select}"


LEAKING: dict[str, tuple[str, str]] = {
    # The value itself, in many clothes.
    "the serial number": (LAST, in_place_of_x("s.serialnumber")),
    "the e-mail": (LAST, in_place_of_x('a."user"')),
    "through an alias": (LAST, "SELECT CAST(t.distancefromobject AS DOUBLE) AS distancefromobject, "
        f"t.who AS x, t.y, t.z, {KEPT} FROM (SELECT s.*, a.y, a.z, a.\"user\" AS who, {NUMBERS} "
        f"{PAIRS}) t"),
    "the length of the name": (LAST, in_place_of_x("LENGTH(c.customername)")),
    "a hash of the e-mail": (LAST, in_place_of_x("XXHASH64(TO_UTF8(c.email))")),
    "an unknown function of it": (LAST, in_place_of_x("my_function(c.email)")),
    "a number in the phone": (LAST, in_place_of_x("TRY_CAST(c.phone AS DOUBLE)")),
    "a digit of the serial number": (LAST,
        in_place_of_x("TRY_CAST(SUBSTR(s.serialnumber, 1, 1) AS DOUBLE) + a.x")),
    "after coalesce": (LAST, in_place_of_x("COALESCE(TRY_CAST(c.phone AS DOUBLE), a.x)")),
    "in a branch": (LAST, in_place_of_x("CASE WHEN a.x > 0 THEN a.x ELSE LENGTH(c.email) END")),
    "in the other branch": (LAST, in_place_of_x("IF(a.x > 0, LENGTH(c.email), a.x)")),
    "nullif": (LAST, in_place_of_x("NULLIF(LENGTH(c.email), 0)")),
    "the greatest of": (LAST, in_place_of_x("GREATEST(a.x, CAST(LENGTH(c.email) AS DOUBLE))")),
    "an array's element": (LAST, in_place_of_x("ELEMENT_AT(ARRAY[LENGTH(c.email), 0], 1)")),
    "a row's field": (LAST, in_place_of_x("CAST(ROW(c.email) AS ROW(e VARCHAR)).e")),
    # Aggregates and windows.
    "the greatest e-mail": (LAST, in_place_of_x("MAX(c.email) OVER ()")),
    "the first e-mail": (LAST, in_place_of_x("FIRST_VALUE(c.email) OVER (ORDER BY a.x)")),
    "the one before": (LAST, in_place_of_x("LAG(LENGTH(c.email)) OVER (ORDER BY a.x)")),
    "a rank of e-mails": (LAST, in_place_of_x("DENSE_RANK() OVER (ORDER BY c.email)")),
    "a rank by a named window": (LAST,
        in_place_of_x("RANK() OVER w", PAIRS + " WINDOW w AS (ORDER BY c.email)")),
    "a rank by a window on a named one": (LAST,
        in_place_of_x("RANK() OVER (w)", PAIRS + " WINDOW w AS (ORDER BY c.email)")),
    "a running count": (LAST, in_place_of_x("COUNT(*) OVER (ORDER BY s.serialnumber)")),
    "a running sum of ones": (LAST, in_place_of_x("SUM(1) OVER (ORDER BY s.serialnumber)")),
    "a list of e-mails": (LAST,
        in_place_of_x("CARDINALITY(ARRAY_AGG(c.email) OVER (PARTITION BY a.x))")),
    # Conditions that tell.
    "which of two": (LAST, in_place_of_x("CASE c.email WHEN 'ann@example.com' THEN 1 ELSE 2 END")),
    "is it ann": (LAST, in_place_of_x("IF(a.\"user\" = 'ann@example.com', 1, 0)")),
    "the first half of the alphabet": (LAST,
        in_place_of_x("CASE WHEN c.email < 'm' THEN a.x ELSE -a.x END")),
    "one of several": (LAST, in_place_of_x("CASE WHEN c.email IN ('a', 'b') THEN 1 ELSE 0 END")),
    "like": (LAST, in_place_of_x("CASE WHEN NOT (c.email LIKE 'a%') THEN 1 ELSE 0 END")),
    "a count that a filter tells": (LAST, in_place_of_x(
        "(SELECT COUNT(*) FROM customer_trusted d WHERE d.email < a.\"user\")")),
    "exists": (LAST, in_place_of_x(
        "CASE WHEN EXISTS (SELECT 1 FROM customer_trusted d WHERE d.email = a.\"user\" "
        "AND d.phone LIKE '5%') THEN 1 ELSE 0 END")),
    "is among": (LAST, in_place_of_x(
        "CASE WHEN a.\"user\" IN (SELECT d.email FROM customer_trusted d WHERE d.birthday < '1970') "
        "THEN 1 ELSE 0 END")),
    "constants by filter": (LAST,
        f"{in_place_of_x('1', PAIRS + chr(10) + ' WHERE c.email < chr(109)')} UNION ALL "
        f"{in_place_of_x('2', PAIRS + chr(10) + ' WHERE c.email >= chr(109)')}"),
    # Subqueries, set operations, joins.
    "a scalar subquery": (LAST, in_place_of_x("(SELECT MAX(LENGTH(d.email)) FROM customer_trusted d)")),
    "a correlated subquery": (LAST, in_place_of_x(
        "(SELECT MAX(LENGTH(d.phone)) FROM customer_trusted d WHERE d.email = a.\"user\")")),
    "one side of a union": (LAST,
        f"{in_place_of_x('a.x')} UNION ALL {in_place_of_x('LENGTH(c.email)')}"),
    "by position in a union": (LAST,
        f"SELECT t.distancefromobject, t.x, t.y, t.z, {KEPT} FROM (SELECT {DISTANCE}, a.x, a.y, "
        f"a.z, {NUMBERS} {PAIRS} UNION ALL SELECT {DISTANCE}, a.x, LENGTH(c.email), a.z, {NUMBERS} "
        f"{PAIRS}) t"),
    "a lateral subquery": (LAST, in_place_of_x("l.n", PAIRS +
        "CROSS JOIN LATERAL (SELECT LENGTH(c.email) AS n) l")),
    "unnested": (LAST, in_place_of_x("o.n", PAIRS +
        "CROSS JOIN UNNEST(ARRAY[LENGTH(c.email)]) AS o (n)")),
    "a recursive table": (LAST, "WITH RECURSIVE r (n) AS (SELECT LENGTH(email) FROM customer_trusted "
        f"UNION ALL SELECT n + 1 FROM r WHERE n < 9) {in_place_of_x('r.n', PAIRS + ' CROSS JOIN r')}"),
    "through three tables of a WITH": (LAST,
        "WITH one AS (SELECT email AS e, * FROM customer_trusted), two AS (SELECT e AS f, email FROM one), "
        "three AS (SELECT LENGTH(f) AS g, email FROM two) "
        + in_place_of_x("h.g", PAIRS + ' LEFT JOIN three h ON h.email = a."user"')),
    "a WITH that hides a table": (LAST,
        'WITH accelerometer_trusted AS (SELECT "user", "timestamp", LENGTH("user") AS x, y, z '
        'FROM accelerometer_landing) ' + in_place_of_x("a.x")),
    "by USING": (LAST, f"SELECT {DISTANCE}, LENGTH(serialnumber) AS x, a.y, a.z, {WORKING} "
        "FROM step_trainer_trusted s INNER JOIN customer_trusted c USING (serialnumber) "
        'INNER JOIN accelerometer_trusted a ON a."timestamp" = s.sensorreadingtime' + PEOPLE),
    # In another file of the DAG.
    "in accelerometer_trusted": ("accelerometer_trusted", accelerations('LENGTH(a."user")')),
    "in accelerometer_trusted, from the customer": (
        "accelerometer_trusted", accelerations("LENGTH(c.phone)")),
    "in accelerometer_trusted, a rank": (
        "accelerometer_trusted", accelerations('DENSE_RANK() OVER (ORDER BY a."user")')),
    "in step_trainer_trusted": ("step_trainer_trusted",
        "SELECT sensorreadingtime, serialnumber, LENGTH(serialnumber) AS distancefromobject "
        "FROM step_trainer_landing"),
    "from the quarantine": ("accelerometer_trusted", accelerations(
        "q.n", 'FROM accelerometer_landing a CROSS JOIN (SELECT LENGTH(MAX(raw)) AS n FROM quarantine) q')),
    # Influence of a spelling, or of other people's rows.
    "filtered by an e-mail's spelling": (LAST, last("WHERE c.email LIKE '%@%'")),
    "sorted by serial number": (LAST, last("ORDER BY s.serialnumber")),
    "how many customers there are": (LAST,
        in_place_of_x("a.x * (SELECT COUNT(*) FROM customer_trusted)")),
    "cut in two by e-mail and united": (LAST,
        f"{last(chr(32) + 'WHERE c.email < chr(109)')} UNION ALL "
        f"{last(chr(32) + 'WHERE c.email >= chr(109)')}"),
    "less those of the quarantine": (LAST,
        f"{last('')} EXCEPT {last('WHERE c.email IN (SELECT subject FROM quarantine)')}"),
    "those who are spelled in small letters": ("accelerometer_trusted", accelerations(
        'CASE WHEN a."user" = a.userfolded THEN a.x ELSE 0e0 END')),
    "looked up by what is folded": ("accelerometer_trusted", accelerations(
        'CASE WHEN a."user" IN (SELECT emailfolded FROM customer_landing) THEN a.x ELSE 0e0 END')),
    "those in the quarantine by what is delivered": ("accelerometer_trusted", accelerations(
        'CASE WHEN EXISTS (SELECT 1 FROM quarantine q CROSS JOIN UNNEST(SPLIT(q.subject, CHR(10))) '
        'AS t (k) WHERE t.k = a."user") THEN a.x ELSE 0e0 END')),
    "a table that a WITH hides, by its database": (LAST,
        "WITH customer_curated AS (SELECT email, birthday AS phone FROM customer_trusted) "
        + last("WHERE k.phone < '5'", PAIRS
        + ' LEFT JOIN main.customer_curated k ON k.email = a."user"')),
    "a table by other names of its columns": (LAST, in_place_of_x("MAX(k.d) OVER ()", PAIRS
        + ' LEFT JOIN customer_trusted AS k (a1, a2, a3, d) ON k.a2 = a."user"')),
    "sorted by the name of a column of people": (LAST, last("ORDER BY step_person")),
    "limited": (LAST, last("ORDER BY c.email LIMIT 100")),
    # What can't be followed.
    "a file's name": (LAST, in_place_of_x('LENGTH(a."$path")')),
    "a table function": (LAST, in_place_of_x("q.n", PAIRS +
        " CROSS JOIN TABLE(my_function(TABLE(customer_trusted))) q")),
    "values beside a row": (LAST, in_place_of_x("q.n", PAIRS +
        " CROSS JOIN LATERAL (VALUES (a.x), (a.y)) AS q (n)")),
    "a value beside a row": (LAST, in_place_of_x("(SELECT MAX(q.n) FROM customer_trusted d "
        "CROSS JOIN LATERAL (VALUES (d.email)) AS q (n))")),
    "a column that isn't declared": (LAST, in_place_of_x("c.nickname")),
    "a table that isn't declared": (LAST, in_place_of_x("(SELECT MAX(n) FROM elsewhere)")),
}  # fmt: skip


HARMLESS: dict[str, tuple[str, str]] = {
    "as it is": (LAST, last("")),
    "filtered by e-mail": (LAST, last("WHERE c.email IS NOT NULL")),
    "semi-joined": (LAST, last('WHERE a."user" IN (SELECT email FROM customer_trusted)')),
    "with EXISTS": (LAST,
        last('WHERE EXISTS (SELECT 1 FROM customer_trusted d WHERE d.email = a."user")')),
    "those in the quarantine, folded": ("accelerometer_trusted", accelerations(
        'CASE WHEN EXISTS (SELECT 1 FROM quarantine q CROSS JOIN UNNEST(SPLIT(q.subject, CHR(10))) '
        'AS t (k) WHERE t.k = a.userfolded) THEN a.x ELSE 0e0 END')),
    "whose consent is not suspended": (LAST,
        last('WHERE a."user" NOT IN (SELECT subject FROM suspended)')),
    "in the order of a column that it gives": (LAST, last("ORDER BY distancefromobject")),
    "with NOT EXISTS": (LAST, last("WHERE NOT EXISTS (SELECT 1 FROM suspended q "
        "WHERE q.subject = a.\"user\")")),
    "joined on serial numbers": (LAST, last("", PAIRS + " AND c.serialnumber = s.serialnumber")),
    "joined the other way round": (LAST, last("", 'FROM accelerometer_trusted a '
        'INNER JOIN step_trainer_trusted s ON s.sensorreadingtime = a."timestamp"' + PEOPLE)),
    "joined by a comma": (LAST, last('WHERE a."timestamp" = s.sensorreadingtime',
        "FROM step_trainer_trusted s CROSS JOIN accelerometer_trusted a" + PEOPLE)),
    "a value where there is a customer": (LAST,
        in_place_of_x("CASE WHEN c.email IS NOT NULL THEN a.x ELSE 0e0 END")),
    "a value where there is none": (LAST, in_place_of_x("IF(c.email IS NULL, NULL, a.x)")),
    "x and y exchanged": (LAST, in_place_of_x("a.y")),
    "a sum of axes": (LAST, in_place_of_x("a.x + a.y - a.z")),
    "the length of the acceleration": (LAST, in_place_of_x("SQRT(a.x * a.x + a.y * a.y)")),
    "rounded": (LAST, in_place_of_x("ROUND(a.x, 1)")),
    "chosen by its own value": (LAST, in_place_of_x("CASE WHEN a.x > 3 THEN 3e0 ELSE a.x END")),
    "coalesced": (LAST, in_place_of_x("COALESCE(a.x, 0e0)")),
    "a mean of a customer's": (LAST, in_place_of_x('AVG(a.x) OVER (PARTITION BY a."user", s.serialnumber)')),
    "the one before of the same customer": (LAST,
        in_place_of_x('LAG(a.x) OVER (PARTITION BY a."user", s.serialnumber ORDER BY a."timestamp", '
                      'a.x, a.y, a.z, s.distancefromobject)')),
    "smoothed by a named window": (LAST, in_place_of_x("AVG(a.x) OVER w",
        PAIRS + ' WINDOW w AS (PARTITION BY a."user", s.serialnumber ORDER BY a."timestamp")')),
    "of the customer's first reading": ("accelerometer_trusted", accelerations(
        'FIRST_VALUE(a.x) OVER (PARTITION BY a."user" ORDER BY a."timestamp", a.x, a.y, a.z)')),
    "the mean of a customer": ("accelerometer_trusted",
        accelerations('AVG(a.x) OVER (PARTITION BY c.email)')),
    "a look-up that finds a date": (LAST, in_place_of_x(
        "a.x + (SELECT MAX(d.registrationdate) FROM customer_trusted d WHERE d.email = a.\"user\")")),
    "in a WITH": (LAST, f"WITH p AS ({last('')}) SELECT * FROM p"),
    "in two of a WITH": (LAST, f"WITH p AS ({last('')}), q AS (SELECT * FROM p) SELECT * FROM q"),
    "in a subquery with a star": (LAST, f"SELECT * FROM ({last('')}) p"),
    "stars that carry the e-mail along unused": (LAST,
        f"WITH p AS (SELECT s.*, a.x, a.y, a.z, c.email, {NUMBERS} {PAIRS}) SELECT "
        f"CAST(distancefromobject AS DOUBLE) AS distancefromobject, x, y, z, {KEPT} FROM p"),
    "judged by e-mail": (LAST,
        f"WITH judged AS (SELECT {DISTANCE}, a.x, a.y, a.z, CASE WHEN c.email IS NULL THEN 'no' WHEN "
        f"c.email = '' THEN 'blank' END AS dropped, {NUMBERS} {PAIRS}) SELECT distancefromobject, "
        f"x, y, z, {KEPT} FROM judged WHERE dropped IS NULL"),
    "the newest record": ("accelerometer_trusted", "WITH r AS (SELECT l.email, ROW_NUMBER() OVER ("
        "PARTITION BY l.email ORDER BY l.lastupdatedate DESC, l.serialnumber) AS n FROM "
        f"customer_landing l) {accelerations('a.x')} INNER JOIN r ON r.email = c.email WHERE r.n = 1"),
    "ranked and filtered by rank": ("accelerometer_trusted", 'WITH r AS (SELECT b.*, ROW_NUMBER() '
        'OVER (PARTITION BY b."user" ORDER BY b."timestamp", b.x, b.y, b.z) AS n FROM accelerometer_landing b) '
        'SELECT "user", "timestamp", x, y, z FROM r WHERE n < 100'),
    "united with itself": (LAST, f"{last('')} UNION ALL {last('')}"),
    "grouped by e-mail": (LAST,
        f"SELECT MAX(t.distancefromobject) AS distancefromobject, MIN(t.x) AS x, AVG(t.y) AS y, "
        f"MAX(t.z) AS z, {KEPT} FROM (SELECT {DISTANCE}, a.x, a.y, a.z, s.serialnumber, a.\"user\" AS "
        f"who, {NUMBERS} {PAIRS}) t GROUP BY t.who, t.serialnumber, step_person, accelerometer_person "
        "HAVING COUNT(*) > 1"),
    "distinct": (LAST, f"SELECT DISTINCT * FROM ({last('')}) p"),
    "an e-mail's name for an axis": (LAST,
        f"SELECT {DISTANCE}, a.email AS x, a.y, a.z, {WORKING} FROM step_trainer_trusted s INNER JOIN "
        '(SELECT a."user", a."timestamp", a.x AS email, a.y, a.z FROM accelerometer_trusted a) a '
        'ON a."timestamp" = s.sensorreadingtime' + PEOPLE),
    "by USING": (LAST, f"SELECT {DISTANCE}, a.x, a.y, a.z, {WORKING} FROM step_trainer_trusted s "
        "INNER JOIN customer_trusted c USING (serialnumber) "
        'INNER JOIN accelerometer_trusted a ON a."timestamp" = s.sensorreadingtime' + PEOPLE),
    "unnested axes": (LAST, in_place_of_x("o.n", PAIRS + "CROSS JOIN UNNEST(ARRAY[a.x]) AS o (n)")),
    "a lateral subquery": (LAST,
        in_place_of_x("l.n", PAIRS + "CROSS JOIN LATERAL (SELECT a.x * 2 AS n) l")),
    "people by their dense rank": (LAST, last("").replace(
        "ROW_NUMBER() OVER (ORDER BY serialnumber) AS person\n    FROM customer_trusted GROUP BY",
        "DENSE_RANK() OVER (ORDER BY serialnumber) AS person\n    FROM customer_trusted GROUP BY")),
    "accelerations in g": ("accelerometer_trusted", accelerations("a.x / 9.81e0")),
    "accelerations of customers with a phone": ("accelerometer_trusted",
        accelerations("a.x") + " WHERE c.phone <> ''"),
    "customers by another order": ("customer_curated",
        "SELECT c.* FROM customer_trusted c WHERE c.email IN "
        '(SELECT "user" FROM accelerometer_trusted)'),
}  # fmt: skip
