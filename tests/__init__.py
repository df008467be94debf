"""The tests: each folder has the name of the one of src/stedi that it tests; support/ is for all.

aws/ tests docs/aws.md, docs/aws/ and sql/; no test file imports another.
"""
