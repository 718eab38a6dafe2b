#!/usr/bin/env bash
# From a fresh clone to the first results: installs what is missing, builds, runs the quickstart study on all cores (at most 8), on the
# model and the facts that ship. Ends with the table, what was found in a sentence, and a plot.
#   launch/quickstart.sh [more options of `onemask sweep`]
# A second call goes on where the first one ended. Results: results/quickstart.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$onemask_source"

use_wheels
cmake --preset release
cmake --build --preset release --target onemask -j "$(build_jobs)"

launch/run_local.sh "$((cores < 8 ? cores : 8))" sweep res/studies/quickstart.yaml --out results/quickstart "$@"
build/release/onemask report results/quickstart --plot results/quickstart/plot.svg >/dev/null
echo "The same as a plot: results/quickstart/plot.svg"
