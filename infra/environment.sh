#!/usr/bin/env bash
# Packs the Python environment of the Glue jobs: the packages that glue/requirements.lock pins, with
# their hashes, and stedi itself. Run it in the project's folder, with the Python of the jobs:
# 3.11 for Glue 5.1, 3.13 for 6.0, on Linux for x86-64, as CloudShell is.
#
#   infra/environment.sh FILE.tar.gz
set -euo pipefail

target=${1:?give the file to write, as in /tmp/environment.tar.gz}
python=${PYTHON:-python3.11}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/tool"
"$work/tool/bin/pip" install --quiet --require-hashes --requirement infra/pack.lock
"$work/tool/bin/pip" wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work" .

"$python" -m venv "$work/environment"
"$work/environment/bin/pip" install --quiet --no-compile --only-binary :all: --require-hashes \
  --requirement "${LOCK:-glue/requirements.lock}"
"$work/environment/bin/pip" install --quiet --no-compile --no-deps "$work"/stedi-*.whl
"$work/tool/bin/venv-pack" --quiet --force --prefix "$work/environment" --output "$target"
