-- Acceleration records of customers who consent to research, taken at or after their consent.
WITH judged AS (
  SELECT
    a.*,
    CASE
      WHEN c.email IS NULL THEN 'user does not consent'
      WHEN a."timestamp" < c.sharewithresearchasofdate THEN 'taken before consent'
    END AS dropped
  FROM accelerometer_landing a
  LEFT JOIN customer_trusted c ON c.email = a."user"
)
SELECT "user", "timestamp", x, y, z
FROM judged
WHERE dropped IS NULL
