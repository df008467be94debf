#!/usr/bin/env bash
# Deletes a stack, and says what it keeps. People's data, their key and the secret stay, unless
# --with-data says that they go, too: then nobody has them any more.
#
#   infra/teardown.sh stedi [--with-data]
set -euo pipefail

stack=${1:?give the name of the stack}
with_data=${2:-}
account=$(aws sts get-caller-identity --query Account --output text)
region=$(aws configure get region || echo "${AWS_REGION:?set AWS_REGION}")
lake=$stack-lake-$account-$region

empty() { # BUCKET: every version of every object
  aws s3 rm --quiet --recursive "s3://$1"
  aws s3api list-object-versions --bucket "$1" --output text \
    --query '[Versions,DeleteMarkers][].[Key,VersionId]' |
    while IFS=$'\t' read -r key version; do
      [ "$key" = None ] || aws s3api delete-object --bucket "$1" --key "$key" --version-id "$version"
    done
}

# Access logs are written until nobody asks for them, and some come later.
for what in lake results code; do
  aws s3api put-bucket-logging --bucket "$stack-$what-$account-$region" --bucket-logging-status '{}'
done
aws s3api delete-bucket-policy --bucket "$stack-results-$account-$region" # it keeps us out, too
for what in results code logs; do
  empty "$stack-$what-$account-$region"
done
if [ "$with_data" = --with-data ]; then
  aws s3api delete-bucket-policy --bucket "$lake" # it keeps administrators out, too
  empty "$lake"
fi
key=$(aws cloudformation describe-stack-resource --stack-name "$stack" --logical-resource-id LakeKey \
  --query StackResourceDetail.PhysicalResourceId --output text)
aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name "$stack"
aws cloudformation delete-stack --stack-name "$stack"
aws cloudformation wait stack-delete-complete --stack-name "$stack"

if [ "$with_data" = --with-data ]; then
  # What the stack kept; that of the stage dev it deleted by itself.
  aws s3api delete-bucket --bucket "$lake" 2>/dev/null || true
  aws secretsmanager delete-secret --secret-id "$stack/fingerprints" 2>/dev/null || true
  aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days 30 2>/dev/null || true
  echo "Gone: everything. Key and secret can be brought back for 30 days, the data can't."
else
  echo "Kept: the bucket $lake with all data, its key, and the secret $stack/fingerprints."
  echo "With them, a stack of the same name can't be made; take them over with: aws cloudformation"
  echo "create-change-set --change-set-type IMPORT. Log groups of others were not touched."
fi
