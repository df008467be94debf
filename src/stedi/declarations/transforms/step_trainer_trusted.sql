-- Distance readings of Step Trainers that belong to a curated customer.
WITH curated AS (
  SELECT DISTINCT serialnumber FROM customer_curated
),
judged AS (
  SELECT
    s.*,
    CASE
      WHEN c.serialnumber IS NULL THEN 'serial number of no curated customer'
      WHEN s.serialnumber = '' THEN 'serial number is empty'
    END AS dropped
  FROM step_trainer_landing s
  LEFT JOIN curated c ON c.serialnumber = s.serialnumber
)
SELECT sensorreadingtime, serialnumber, distancefromobject
FROM judged
WHERE dropped IS NULL
