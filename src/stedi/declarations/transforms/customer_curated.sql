-- Customers who consent to research and have at least one acceleration record.
WITH measured AS (
  SELECT DISTINCT "user" FROM accelerometer_trusted
),
judged AS (
  SELECT
    c.*,
    CASE WHEN m."user" IS NULL THEN 'no accelerometer record' END AS dropped
  FROM customer_trusted c
  LEFT JOIN measured m ON m."user" = c.email
)
SELECT
  customername,
  email,
  phone,
  birthday,
  serialnumber,
  registrationdate,
  lastupdatedate,
  sharewithresearchasofdate,
  sharewithpublicasofdate,
  sharewithfriendsasofdate
FROM judged
WHERE dropped IS NULL
