-- Athena reads the files of this table line by line, and not as stedi run does. A line that is no
-- JSON gives a row of NULLs, where stedi run quarantines it with a reason. Of several objects on a
-- line only the first is read, where stedi run reads all. docs/aws.md has an example.
CREATE EXTERNAL TABLE IF NOT EXISTS `customer_landing` (
  `customername` string COMMENT 'Full name.',
  `email` string COMMENT 'E-mail address, names the customer in every source.',
  `emailfolded` string COMMENT 'The e-mail folded (Unicode NFKC, case, without spaces and invisible characters), the same for all its spellings. Made by stedi run, in no record.',
  `phone` string COMMENT 'Phone number.',
  `birthday` string COMMENT 'Date of birth, as delivered.',
  `serialnumber` string COMMENT 'Serial number of the Step Trainer that the customer has, empty where there is none yet.',
  `registrationdate` bigint COMMENT 'When the customer registered, epoch milliseconds.',
  `lastupdatedate` bigint COMMENT 'When this record was last changed, epoch milliseconds.',
  `sharewithresearchasofdate` bigint COMMENT 'Since when the customer shares data with research, epoch milliseconds, absent or not positive means no.',
  `sharewithpublicasofdate` bigint COMMENT 'Since when the customer shares data with the public, epoch milliseconds, absent or not positive means no.',
  `sharewithfriendsasofdate` bigint COMMENT 'Since when the customer shares data with friends, epoch milliseconds, absent or not positive means no.',
  `arrived` bigint COMMENT 'When the file arrived that brought this record, epoch milliseconds. Made by stedi run, in no record.'
)
COMMENT 'Customer records as the website and the phone app delivered them.'
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('case.insensitive' = 'true', 'ignore.malformed.json' = 'true')
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://YOUR-BUCKET/stedi/customer/landing/'
TBLPROPERTIES ('classification' = 'json');
