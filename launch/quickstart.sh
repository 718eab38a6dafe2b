#!/usr/bin/env bash
# Installs what is missing, builds, and runs res/studies/quickstart.yaml on all cores (at most 8), with the model and the facts that
# ship. Prints tables and findings, and draws a plot.
#   launch/quickstart.sh [more options of `onemask sweep`]
# After an interruption the same command continues. The results are in results/quickstart.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$onemask_source"

use_wheels
cmake --preset release
cmake --build --preset release --target onemask -j "$(build_jobs)"

launch/run_local.sh "$((cores < 8 ? cores : 8))" sweep res/studies/quickstart.yaml --out results/quickstart "$@"
build/release/onemask report results/quickstart --plot results/quickstart/plot.svg >/dev/null
echo "The same as a plot: results/quickstart/plot.svg"
