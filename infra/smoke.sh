#!/usr/bin/env bash
# Shows in a real account what no test without one can: from an empty account to counts, who may
# read what by Lake Formation, and back. Some ten minutes beside the jobs' own. Needs the rights of
# an administrator who is a data lake administrator, the AWS command line, and stedi[aws]. Keep what
# it prints: infra/smoke.sh 2>&1 | tee smoke-$(date +%F).log
#
# It makes the stage `dev`, with made-up people, and takes all of it away again.
set -euo pipefail

stack=stedi-dev
account=$(aws sts get-caller-identity --query Account --output text)
region=$(aws configure get region || echo "${AWS_REGION:?set AWS_REGION}")
lake=$stack-lake-$account-$region
code=$stack-code-$account-$region
work=$(mktemp -d)

say() { printf '\n== %s %s\n' "$(date -u +%FT%TZ)" "$*"; }

as() { # ROLE COMMAND…: run a command with a role of the stack
  local credentials
  credentials=$(aws sts assume-role --role-arn "arn:aws:iam::$account:role/$stack-$1" \
    --role-session-name smoke --output text \
    --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]')
  # shellcheck disable=SC2086
  set -- $credentials "${@:2}"
  AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2 AWS_SESSION_TOKEN=$3 "${@:4}"
}

must() { "$@" && say "allowed, as it must be: $*"; }

must_not() {
  if "$@"; then say "WRONG: this must be refused: $*"; exit 1; fi
  say "refused, as it must be: $*"
}

query() { # WORKGROUP STATEMENT
  stedi query --athena --database "${stack//-/_}" --workgroup "$stack-$1" "$2"
}

say "1. deploy"
[ -f infra/stedi-dev.template.json ] || make infra STAGE=dev
aws cloudformation deploy --stack-name "$stack" --template-file infra/stedi-dev.template.json \
  --capabilities CAPABILITY_NAMED_IAM --tags application=stedi stage=dev

say "2. code"
infra/environment.sh "$work/environment.tar.gz"
aws s3 cp "$work/environment.tar.gz" "s3://$code/environment.tar.gz"
aws s3 cp --recursive --exclude '*' --include '*.py' glue "s3://$code/"

say "3. deliver, each source with its own role"
stedi simulate "$work/delivery" --customers 956 --seed 7
for source in customer accelerometer step_trainer; do
  must as "ingest-${source//_/-}" stedi ingest --root "s3://$lake/stedi" --source "$source" \
    "$work/delivery/$source/landing"
done
key=$(aws s3api list-objects-v2 --bucket "$lake" --prefix stedi/customer/landing/ \
  --query 'Contents[0].Key' --output text)
must_not as ingest-customer aws s3 cp "s3://$lake/$key" "$work/read"
must_not as ingest-customer aws s3 cp "$work/delivery/truth.json" "s3://$lake/$key"
must_not as ingest-customer aws s3 rm "s3://$lake/$key"
must_not aws s3 cp "s3://$lake/$key" "$work/read-by-an-administrator"

say "4. the jobs, as every night"
machine=arn:aws:states:$region:$account:stateMachine:$stack-nightly
run=$(aws stepfunctions start-execution --state-machine-arn "$machine" --query executionArn --output text)
state=RUNNING
while [ "$state" = RUNNING ]; do
  sleep 20
  state=$(aws stepfunctions describe-execution --execution-arn "$run" --query status --output text)
done
say "the jobs: $state"
[ "$state" = SUCCEEDED ]

say "5. counts"
for table in customer_trusted accelerometer_trusted step_trainer_trusted customer_curated machine_learning_curated; do
  must as steward query stewards "SELECT COUNT(*) FROM $table"
done

say "6. Lake Formation: columns without identifiers, and not after a table is made anew by hand"
must as analyst query analysis "SELECT COUNT(birthday) FROM customer_curated"
must_not as analyst query analysis "SELECT email FROM customer_curated"
must_not as analyst query analysis "SELECT COUNT(*) FROM customer_trusted"
must_not as analyst aws s3 ls "s3://$lake/stedi/customer/curated/"
must as data-scientist query research "SELECT COUNT(*) FROM machine_learning_curated"
must_not as data-scientist query research "SELECT COUNT(*) FROM customer_curated"

say "7. away with it"
infra/teardown.sh "$stack" --with-data
say "done"
