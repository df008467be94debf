-- Athena reads the files of this table line by line, and not as stedi run does. A line that is no
-- JSON gives a row of NULLs, where stedi run quarantines it with a reason. Of several objects on a
-- line only the first is read, where stedi run reads all. docs/aws.md has an example.
CREATE EXTERNAL TABLE IF NOT EXISTS `step_trainer_landing` (
  `sensorreadingtime` bigint COMMENT 'When the sensor measured, epoch milliseconds.',
  `serialnumber` string COMMENT 'Serial number of the Step Trainer that measured.',
  `distancefromobject` bigint COMMENT 'Distance to the nearest object, millimetres.'
)
COMMENT 'Distance readings as the Step Trainer delivered them.'
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('case.insensitive' = 'true', 'ignore.malformed.json' = 'true')
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://YOUR-BUCKET/stedi/step_trainer/landing/'
TBLPROPERTIES ('classification' = 'json');
