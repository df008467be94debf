-- Distance and acceleration of the same instant, whoever they came from.
-- A person is a serial number: customers who share one are one person.
WITH people AS (
  SELECT
    serialnumber,
    ROW_NUMBER() OVER (ORDER BY serialnumber) AS person,
    MAX(sharewithresearchasofdate) AS consent
  FROM customer_trusted
  GROUP BY serialnumber
),
users AS (
  SELECT c.email, p.person, c.sharewithresearchasofdate AS consent
  FROM customer_trusted c
  INNER JOIN people p ON p.serialnumber = c.serialnumber
)
SELECT
  CAST(s.distancefromobject AS DOUBLE) AS distancefromobject,
  a.x,
  a.y,
  a.z,
  p.person AS step_person,
  u.person AS accelerometer_person,
  CAST(CASE WHEN s.sensorreadingtime < GREATEST(p.consent, u.consent) THEN 1 ELSE 0 END AS BIGINT)
    AS taken_before_consent
FROM step_trainer_trusted s
INNER JOIN accelerometer_trusted a ON a."timestamp" = s.sensorreadingtime
LEFT JOIN people p ON p.serialnumber = s.serialnumber
LEFT JOIN users u ON u.email = a."user"
