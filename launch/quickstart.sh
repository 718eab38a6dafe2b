#!/usr/bin/env bash
# From a fresh clone to the first results: installs what is missing, builds, runs the quickstart study on all cores (at most 8).
#   launch/quickstart.sh [more options of `onemask sweep`]
# A second call goes on where the first one ended. Results: results/quickstart.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$onemask_source"

ONEMASK_SHARED=$(realpath -m "${ONEMASK_SHARED:-$onemask_source/../shared}")
export ONEMASK_SHARED
for needed in checkpoints/cf-gpt2 counterfact; do
  if [[ ! -d $ONEMASK_SHARED/$needed ]]; then
    echo "The quickstart study needs the folder '$needed' in '$ONEMASK_SHARED', which is not there:" \
      "set ONEMASK_SHARED to the folder that holds the checkpoints and the data." >&2
    exit 2
  fi
done

use_wheels
cmake --preset release
cmake --build --preset release --target onemask -j "$(build_jobs)"

exec launch/run_local.sh "$((cores < 8 ? cores : 8))" sweep res/studies/quickstart.yaml --out results/quickstart \
  --set "model.checkpoint=$ONEMASK_SHARED/checkpoints/cf-gpt2" \
  --set "facts.train.files=$ONEMASK_SHARED/counterfact/counterfact_trainP*.json" \
  --set "facts.heldout.files=$ONEMASK_SHARED/counterfact/counterfact_testP*.json" \
  --set "facts.ood.files=$ONEMASK_SHARED/counterfact/counterfact_ood1500.json" "$@"
