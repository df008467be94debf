SELECT * FROM {{ ref("customer_landing") }}
QUALIFY row_number() OVER (PARTITION BY email ORDER BY lastUpdateDate DESC) = 1
  AND shareWithResearchAsOfDate > 0
