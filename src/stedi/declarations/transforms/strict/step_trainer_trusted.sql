-- Distance readings of Step Trainers that belong to a curated customer, taken at or after the
-- consent of all owners; none where a customer who ever had the Step Trainer does not consent.
WITH curated AS (
  SELECT DISTINCT serialnumber FROM customer_curated
),
owners AS (
  SELECT serialnumber, MAX(sharewithresearchasofdate) AS consent
  FROM customer_trusted
  GROUP BY serialnumber
),
refused AS (
  SELECT DISTINCT l.serialnumber
  FROM customer_landing l
  LEFT JOIN customer_trusted c ON c.email = l.email
  WHERE c.email IS NULL
),
judged AS (
  SELECT
    s.*,
    CASE
      WHEN c.serialnumber IS NULL THEN 'serial number of no curated customer'
      WHEN s.serialnumber = '' THEN 'serial number is empty'
      WHEN r.serialnumber IS NOT NULL THEN 'serial number also of a customer who does not consent'
      WHEN s.sensorreadingtime < o.consent THEN 'taken before consent'
    END AS dropped
  FROM step_trainer_landing s
  LEFT JOIN curated c ON c.serialnumber = s.serialnumber
  LEFT JOIN refused r ON r.serialnumber = s.serialnumber
  LEFT JOIN owners o ON o.serialnumber = s.serialnumber
)
SELECT sensorreadingtime, serialnumber, distancefromobject
FROM judged
WHERE dropped IS NULL
