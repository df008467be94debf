-- Acceleration records of customers who consent to research.
-- Why not, of others: nobody has that e-mail; somebody has it in another spelling; a person must look
-- first (suspended); the customer consented once and does not any more; or never did.
WITH known AS (
  SELECT email, MAX(sharewithresearchasofdate) AS consent
  FROM customer_landing
  GROUP BY email
),
spellings AS (
  SELECT DISTINCT emailfolded FROM customer_landing
),
judged AS (
  SELECT
    a.*,
    CASE
      WHEN a."user" = '' OR a.userfolded = '' THEN 'user is empty'
      WHEN s.why = 'consent begins later' THEN 'consent begins later'
      WHEN s.subject IS NOT NULL THEN 'consent suspended'
      WHEN k.email IS NULL AND f.emailfolded IS NOT NULL THEN 'spelled otherwise'
      WHEN k.email IS NULL THEN 'unknown user'
      WHEN c.email IS NULL AND k.consent > 0 THEN 'after withdrawal'
      WHEN c.email IS NULL THEN 'user does not consent'
    END AS dropped
  FROM accelerometer_landing a
  LEFT JOIN customer_trusted c ON c.email = a."user"
  LEFT JOIN known k ON k.email = a."user"
  LEFT JOIN suspended s ON s.subject = a."user"
  LEFT JOIN spellings f ON f.emailfolded = a.userfolded
)
SELECT "user", "timestamp", x, y, z
FROM judged
WHERE dropped IS NULL
