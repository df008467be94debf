-- Distance and acceleration of the same instant and the same customer; none where several
-- customers own the Step Trainer, since nobody can say whose reading it was.
WITH people AS (
  SELECT
    serialnumber,
    ROW_NUMBER() OVER (ORDER BY serialnumber) AS person,
    COUNT(*) AS owners,
    MAX(sharewithresearchasofdate) AS consent
  FROM customer_trusted
  GROUP BY serialnumber
),
users AS (
  SELECT c.email, p.person, c.sharewithresearchasofdate AS consent
  FROM customer_trusted c
  INNER JOIN people p ON p.serialnumber = c.serialnumber
),
judged AS (
  SELECT
    CAST(s.distancefromobject AS DOUBLE) AS distancefromobject,
    a.x,
    a.y,
    a.z,
    p.person AS step_person,
    u.person AS accelerometer_person,
    CAST(CASE WHEN s.sensorreadingtime < GREATEST(p.consent, u.consent) THEN 1 ELSE 0 END AS BIGINT)
      AS taken_before_consent,
    CASE
      WHEN p.owners > 1 THEN 'serial number of several owners'
      WHEN p.person <> u.person THEN 'readings of two people'
    END AS dropped
  FROM step_trainer_trusted s
  INNER JOIN accelerometer_trusted a ON a."timestamp" = s.sensorreadingtime
  LEFT JOIN people p ON p.serialnumber = s.serialnumber
  LEFT JOIN users u ON u.email = a."user"
)
SELECT
  distancefromobject,
  x,
  y,
  z,
  step_person,
  accelerometer_person,
  taken_before_consent
FROM judged
WHERE dropped IS NULL
