SELECT *
FROM read_json('{{ var("landing") }}/step_trainer/landing/*.json', format = 'newline_delimited', columns = {
  sensorReadingTime: 'BIGINT', serialNumber: 'VARCHAR', distanceFromObject: 'BIGINT'})
