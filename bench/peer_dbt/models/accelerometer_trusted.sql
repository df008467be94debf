SELECT a.* FROM {{ ref("accelerometer_landing") }} a
JOIN {{ ref("customer_trusted") }} c ON c.email = a."user"
