#!/usr/bin/env bash
# Installs what is missing, builds, fetches SmolLM2-135M-Instruct, and runs res/studies/smollm2.yaml on all cores (at most 8): the
# question of the paper on a real pretrained model. Prints tables and findings, draws a plot, and says how long each part took.
#   launch/real_model.sh [more options of `onemask sweep`]
# After an interruption the same command continues. The results are in results/smollm2.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$onemask_source"

parts=() begin=$SECONDS
ended() {
  parts+=("$1 $((SECONDS - begin)) s")
  begin=$SECONDS
}

use_wheels
ended "installing"
cmake --preset release
cmake --build --preset release --target onemask -j "$(build_jobs)"
ended "building"
model=$(launch/get_smollm2.sh | tail -n 1)
ended "fetching the model"

study=(res/studies/smollm2.yaml --set "model.checkpoint=$model" --out results/smollm2)
launch/run_local.sh "$((cores < 8 ? cores : 8))" sweep "${study[@]}" "$@"
ended "the study"
build/release/onemask report results/smollm2 --plot results/smollm2/plot.svg >/dev/null
echo "The same as a plot: results/smollm2/plot.svg"
printf -v times '%s, ' "${parts[@]}"
echo "Times of this call: ${times%, }."
