-- The newest record of each customer, where it carries consent to research.
-- Of two records with the same update time the one without consent wins, then the smallest by all
-- columns in order.
WITH ranked AS (
  SELECT
    l.*,
    ROW_NUMBER() OVER (
      PARTITION BY l.email
      ORDER BY
        l.lastupdatedate DESC,
        CASE WHEN l.sharewithresearchasofdate > 0 THEN 1 ELSE 0 END,
        l.customername,
        l.phone,
        l.birthday,
        l.serialnumber,
        l.registrationdate,
        l.sharewithresearchasofdate NULLS FIRST,
        l.sharewithpublicasofdate NULLS FIRST,
        l.sharewithfriendsasofdate NULLS FIRST
    ) AS recency
  FROM customer_landing l
),
suspended AS (
  SELECT DISTINCT s.subject
  FROM quarantine q
  CROSS JOIN UNNEST(SPLIT(q.subject, CHR(10))) AS s (subject)
  WHERE q.source = 'customer'
),
judged AS (
  SELECT
    r.*,
    CASE
      WHEN r.recency > 1 THEN 'not the newest record of its customer'
      WHEN r.sharewithresearchasofdate IS NULL OR r.sharewithresearchasofdate <= 0
        THEN 'no consent to research'
      WHEN r.email = '' THEN 'consent of nobody: the e-mail is empty'
      WHEN s.subject IS NOT NULL THEN 'consent suspended: a record of the customer was set aside'
    END AS dropped
  FROM ranked r
  LEFT JOIN suspended s ON s.subject = r.email
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
