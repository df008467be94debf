-- Checks of the trusted zone, made from the contracts by make generate.

-- accelerometer_trusted. Its rows, as stedi status counts them.
SELECT COUNT(*) FROM accelerometer_trusted;

-- customer_trusted. Its rows, as stedi status counts them.
SELECT COUNT(*) FROM customer_trusted;

-- step_trainer_trusted. Its rows, as stedi status counts them.
SELECT COUNT(*) FROM step_trainer_trusted;

-- accelerometer_trusted. Must be 0: rows that lack a value in a column that needs one.
SELECT COUNT(*) FROM accelerometer_trusted
WHERE "user" IS NULL
   OR "timestamp" IS NULL
   OR "x" IS NULL
   OR "y" IS NULL
   OR "z" IS NULL;

-- accelerometer_trusted, user_without_consent. Must be 0: how many records belong to a user who
-- does not consent to research.
SELECT COUNT(*) FROM accelerometer_trusted a
WHERE NOT EXISTS (SELECT 1 FROM customer_trusted c WHERE c.email = a."user");

-- customer_trusted. Must be 0: rows that lack a value in a column that needs one.
SELECT COUNT(*) FROM customer_trusted
WHERE "email" IS NULL
   OR "serialnumber" IS NULL
   OR "registrationdate" IS NULL
   OR "lastupdatedate" IS NULL
   OR "sharewithresearchasofdate" IS NULL;

-- customer_trusted. Must be 0: rows whose email another row has already.
SELECT COUNT(*) - COUNT(DISTINCT "email") FROM customer_trusted;

-- customer_trusted, no_blank_consent. Must be 0: how many customers have no consent to research.
SELECT COUNT(*) FROM customer_trusted
WHERE sharewithresearchasofdate IS NULL OR sharewithresearchasofdate <= 0;

-- step_trainer_trusted. Must be 0: rows that lack a value in a column that needs one.
SELECT COUNT(*) FROM step_trainer_trusted
WHERE "sensorreadingtime" IS NULL
   OR "serialnumber" IS NULL
   OR "distancefromobject" IS NULL;

-- step_trainer_trusted, serial_number_not_curated. Must be 0: how many readings carry a serial
-- number of no curated customer.
SELECT COUNT(*) FROM step_trainer_trusted s
WHERE NOT EXISTS (SELECT 1 FROM customer_curated c WHERE c.serialnumber = s.serialnumber);
