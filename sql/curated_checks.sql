-- Checks of the curated zone, made from the contracts by make generate.

-- customer_curated. Its rows, as stedi status counts them.
SELECT COUNT(*) FROM customer_curated;

-- machine_learning_curated. Its rows, as stedi status counts them.
SELECT COUNT(*) FROM machine_learning_curated;

-- customer_curated. Must be 0: rows that lack a value in a column that needs one.
SELECT COUNT(*) FROM customer_curated
WHERE "email" IS NULL
   OR "serialnumber" IS NULL
   OR "registrationdate" IS NULL
   OR "lastupdatedate" IS NULL
   OR "sharewithresearchasofdate" IS NULL;

-- customer_curated. Must be 0: rows whose email another row has already.
SELECT COUNT(*) - COUNT(DISTINCT "email") FROM customer_curated;

-- customer_curated, customer_without_readings. Must be 0: how many customers have no accelerometer
-- record.
SELECT COUNT(*) FROM customer_curated c
WHERE NOT EXISTS (SELECT 1 FROM accelerometer_trusted a WHERE a."user" = c.email);

-- machine_learning_curated. Must be 0: rows that lack a value in a column that needs one.
SELECT COUNT(*) FROM machine_learning_curated
WHERE "distancefromobject" IS NULL
   OR "x" IS NULL
   OR "y" IS NULL
   OR "z" IS NULL;

-- machine_learning_curated. Must be 0: classes of equal rows with fewer than 5 rows, so of fewer
-- than 5 people.
SELECT COUNT(*) FROM (
  SELECT 1 FROM machine_learning_curated
  GROUP BY "distancefromobject", "x", "y", "z"
  HAVING COUNT(*) < 5
) AS small;

-- machine_learning_curated. Ten rows, with the columns distancefromobject, x, y, z and no other.
SELECT * FROM machine_learning_curated LIMIT 10;

-- In Athena only. machine_learning_curated. Must be 4, 0, 0: its published columns, any others, and
-- any that names a person.
SELECT
  COUNT_IF(column_name IN ('distancefromobject', 'x', 'y', 'z')) AS published,
  COUNT_IF(column_name NOT IN ('distancefromobject', 'x', 'y', 'z')) AS others,
  COUNT_IF(column_name IN ('accelerometer_person', 'customername', 'email', 'emailfolded', 'phone', 'serialnumber', 'step_person', 'user', 'userfolded')) AS personal
FROM information_schema.columns
WHERE table_schema = 'stedi' AND table_name = 'machine_learning_curated';
