#!/usr/bin/env bash
# Runs a command in a role of the stack; takes the right to take on that role.
#
#   infra/as.sh steward stedi query --athena --workgroup stedi-stewards "SELECT 1 FROM customer_trusted"
set -euo pipefail

role=${1:?name a role of the stack, as in steward}
account=$(aws sts get-caller-identity --query Account --output text)
keys=$(aws sts assume-role --role-arn "arn:aws:iam::$account:role/${STACK:-stedi}-$role" \
  --role-session-name "$role" --output text \
  --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]')
read -r AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN <<< "$keys"
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
exec "${@:2}"
