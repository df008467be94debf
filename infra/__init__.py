"""The AWS account around a lakehouse, as code: one CloudFormation template, and who may what."""
