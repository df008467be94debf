-- Athena reads the files of this table line by line, and not as stedi run does. A line that is no
-- JSON gives a row of NULLs, where stedi run quarantines it with a reason. Of several objects on a
-- line only the first is read, where stedi run reads all. docs/aws.md has an example.
CREATE EXTERNAL TABLE IF NOT EXISTS `accelerometer_landing` (
  `user` string COMMENT 'E-mail address of the customer whose phone measured.',
  `timestamp` bigint COMMENT 'When the phone measured, epoch milliseconds.',
  `x` double COMMENT 'Acceleration along the x axis, as the app reports it.',
  `y` double COMMENT 'Acceleration along the y axis, as the app reports it.',
  `z` double COMMENT 'Acceleration along the z axis, as the app reports it.',
  `userfolded` string COMMENT 'The user''s e-mail folded (Unicode NFKC, case, without spaces and invisible characters), the same for all its spellings. Made by stedi run, in no record.'
)
COMMENT 'Acceleration records as the phone app delivered them.'
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('case.insensitive' = 'true', 'ignore.malformed.json' = 'true')
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://YOUR-BUCKET/stedi/accelerometer/landing/'
TBLPROPERTIES ('classification' = 'json');
