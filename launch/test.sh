#!/usr/bin/env bash
# Installs what is missing, builds everything and runs the tests.
#   launch/test.sh [arguments of ctest]      for example: launch/test.sh -L golden, launch/test.sh -R comm
#   ONEMASK_ASAN=1 launch/test.sh            also runs the unit tests of the rooms that read files under the sanitizers
# The last line counts the test cases: "N passed, N failed, N skipped". The exit code is 0 when none failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$onemask_source"
use_wheels
export GTEST_COLOR=no # the results are counted from the text
status=0

# run_tests PRESET [arguments of ctest]: the results go to build/PRESET/results.xml.
# Tests of faults wait for much of their time, so that a test more than there are cores runs at once.
run_tests() {
  local preset=$1
  shift
  rm -f "build/$preset/results.xml"
  ctest --preset "$preset" -j "$((cores + 1))" --no-tests=error --test-output-size-passed 1000000 --test-output-size-failed 1000000 \
    --output-junit "$onemask_source/build/$preset/results.xml" "$@" || status=1
}

cmake --preset release
cmake --build --preset release -j "$(build_jobs)"
run_tests release "$@"
results=(build/release/results.xml)

if [[ ${ONEMASK_ASAN:-} == 1 ]]; then
  readers='^(core|data|store|model)_'
  cmake --preset asan
  mapfile -t programs < <(ctest --preset asan -N -R "$readers" | sed -nE 's|^ *Test +#[0-9]+: ([^/ ]+).*|\1|p' | sort -u)
  cmake --build --preset asan -j "$(build_jobs)" --target "${programs[@]}"
  run_tests asan -R "$readers"
  results+=(build/asan/results.xml)
fi

python3 tests/support/count_results.py "${results[@]}" || status=1
exit "$status"
