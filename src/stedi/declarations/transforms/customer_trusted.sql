-- The newest record of each customer, where it carries consent to research.
-- Of two records with the same update time the one without consent wins, then the smallest by all
-- columns in order. A record whose update time is more than a day later than the arrival of its
-- file comes behind all others: nobody knows how new it is.
-- The table suspended names customers whose consent does not count for now, and says why.
WITH ranked AS (
  SELECT
    l.*,
    ROW_NUMBER() OVER (
      PARTITION BY l.email
      ORDER BY
        CASE WHEN l.lastupdatedate > l.arrived + 86400000 THEN 1 ELSE 0 END,
        l.lastupdatedate DESC,
        CASE WHEN l.sharewithresearchasofdate > 0 THEN 1 ELSE 0 END,
        l.customername NULLS FIRST,
        l.phone NULLS FIRST,
        l.birthday NULLS FIRST,
        l.serialnumber,
        l.registrationdate,
        l.sharewithresearchasofdate NULLS FIRST,
        l.sharewithpublicasofdate NULLS FIRST,
        l.sharewithfriendsasofdate NULLS FIRST,
        l.arrived
    ) AS recency
  FROM customer_landing l
),
judged AS (
  SELECT
    r.*,
    CASE
      WHEN r.recency > 1 AND r.lastupdatedate > r.arrived + 86400000
        THEN 'update time is later than the arrival of its file'
      WHEN r.recency > 1 THEN 'not the newest record of its customer'
      WHEN r.sharewithresearchasofdate IS NULL OR r.sharewithresearchasofdate <= 0
        THEN 'no consent to research'
      WHEN r.email = '' OR r.emailfolded = '' THEN 'consent of nobody: the e-mail is empty'
      WHEN s.subject IS NOT NULL THEN s.why
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
