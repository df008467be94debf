SELECT * REPLACE (TRY_CAST(shareWithResearchAsOfDate AS BIGINT) AS shareWithResearchAsOfDate)
FROM read_json('{{ var("landing") }}/customer/landing/*.json', format = 'newline_delimited', columns = {
  customerName: 'VARCHAR', email: 'VARCHAR', phone: 'VARCHAR', birthDay: 'VARCHAR', serialNumber: 'VARCHAR',
  registrationDate: 'BIGINT', lastUpdateDate: 'BIGINT', shareWithResearchAsOfDate: 'VARCHAR',
  shareWithPublicAsOfDate: 'BIGINT', shareWithFriendsAsOfDate: 'BIGINT'})
