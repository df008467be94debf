SELECT * FROM {{ ref("customer_trusted") }}
WHERE email IN (SELECT "user" FROM {{ ref("accelerometer_trusted") }})
