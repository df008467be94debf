SELECT *
FROM read_json('{{ var("landing") }}/accelerometer/landing/*.json', format = 'newline_delimited', columns = {
  "user": 'VARCHAR', "timestamp": 'BIGINT', x: 'DOUBLE', y: 'DOUBLE', z: 'DOUBLE'})
