-- Checks of the landing zone, made from the contracts by make generate.

-- accelerometer_landing. Its records. On AWS, the lines of its files, as Athena reads them.
SELECT COUNT(*) FROM accelerometer_landing;

-- In Athena only. accelerometer_typed. Rows that stedi run made of these records, which are all of
-- them but quarantined ones.
SELECT COUNT(*) FROM accelerometer_typed;

-- customer_landing. Its records. On AWS, the lines of its files, as Athena reads them.
SELECT COUNT(*) FROM customer_landing;

-- In Athena only. customer_typed. Rows that stedi run made of these records, which are all of them
-- but quarantined ones.
SELECT COUNT(*) FROM customer_typed;

-- step_trainer_landing. Its records. On AWS, the lines of its files, as Athena reads them.
SELECT COUNT(*) FROM step_trainer_landing;

-- In Athena only. step_trainer_typed. Rows that stedi run made of these records, which are all of
-- them but quarantined ones.
SELECT COUNT(*) FROM step_trainer_typed;

-- accelerometer_landing. Must be 0: rows that lack a value in a column that needs one. On AWS,
-- lines that Athena cannot read show up here.
SELECT COUNT(*) FROM accelerometer_landing
WHERE "user" IS NULL
   OR "timestamp" IS NULL
   OR "x" IS NULL
   OR "y" IS NULL
   OR "z" IS NULL;

-- customer_landing. Must be 0: rows that lack a value in a column that needs one. On AWS, lines
-- that Athena cannot read show up here.
SELECT COUNT(*) FROM customer_landing
WHERE "email" IS NULL
   OR "serialnumber" IS NULL
   OR "registrationdate" IS NULL
   OR "lastupdatedate" IS NULL;

-- customer_landing. Any number: records with a blank customerName, as is allowed here.
SELECT COUNT(*) FROM customer_landing
WHERE "customername" IS NULL;

-- customer_landing. Any number: records with a blank phone, as is allowed here.
SELECT COUNT(*) FROM customer_landing
WHERE "phone" IS NULL;

-- customer_landing. Any number: records with a blank birthDay, as is allowed here.
SELECT COUNT(*) FROM customer_landing
WHERE "birthday" IS NULL;

-- customer_landing. Any number: records with a blank shareWithResearchAsOfDate, as is allowed here.
SELECT COUNT(*) FROM customer_landing
WHERE "sharewithresearchasofdate" IS NULL;

-- customer_landing. Any number: records with a blank shareWithPublicAsOfDate, as is allowed here.
SELECT COUNT(*) FROM customer_landing
WHERE "sharewithpublicasofdate" IS NULL;

-- customer_landing. Any number: records with a blank shareWithFriendsAsOfDate, as is allowed here.
SELECT COUNT(*) FROM customer_landing
WHERE "sharewithfriendsasofdate" IS NULL;

-- step_trainer_landing. Must be 0: rows that lack a value in a column that needs one. On AWS, lines
-- that Athena cannot read show up here.
SELECT COUNT(*) FROM step_trainer_landing
WHERE "sensorreadingtime" IS NULL
   OR "serialnumber" IS NULL
   OR "distancefromobject" IS NULL;
