SELECT CAST(s.distanceFromObject AS DOUBLE) AS distancefromobject, a.x, a.y, a.z
FROM {{ ref("step_trainer_trusted") }} s
JOIN {{ ref("accelerometer_trusted") }} a ON a."timestamp" = s.sensorReadingTime
