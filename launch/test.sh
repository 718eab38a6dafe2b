#!/usr/bin/env bash
# Installs what is missing, builds everything and runs the tests.
#   launch/test.sh [--all] [arguments of ctest]      for example: launch/test.sh -L golden, launch/test.sh --all -R ulfm
#   --all                                    also the long tests: 60 random kills, ranks that hang, ULFM, SLURM
#   ONEMASK_ASAN=1 launch/test.sh            also runs unit and golden tests, and those on one and two ranks, under the address and
#                                            undefined-behaviour sanitizers; ONEMASK_ASAN="core store" only those of these rooms
#   ONEMASK_TSAN=1 launch/test.sh            also runs the tests whose ranks are threads under the thread sanitizer
# The last line counts the test cases: "N passed, N failed, N skipped". The exit code is 0 when none failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$onemask_source"
use_wheels
export GTEST_COLOR=no # the results are counted from the text
status=0
tier=()
if [[ ${1:-} == --all ]]; then
  tier=(--build-config long)
  shift
fi

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
run_tests release "${tier[@]}" "$@"
results=(build/release/results.xml)

# sanitized PRESET TARGET... [-- arguments of ctest]: builds what the tests of the preset need, and runs them.
sanitized() {
  local preset=$1 targets=()
  shift
  while [[ $# -gt 0 && $1 != -- ]]; do targets+=("$1") && shift; done
  cmake --preset "$preset"
  cmake --build --preset "$preset" -j "$(build_jobs)" --target "${targets[@]}"
  run_tests "$preset" "${@:2}"
  results+=("build/$preset/results.xml")
}
if [[ ${ONEMASK_ASAN:-} == 1 ]]; then
  sanitized asan onemask test_programs -- "$@"
elif [[ -n ${ONEMASK_ASAN:-} ]]; then
  read -ra rooms <<<"$ONEMASK_ASAN"
  sanitized asan "${rooms[@]/%/_tests}" -- -R "^($(IFS='|' && echo "${rooms[*]}"))_.*_test" "$@"
fi
[[ ${ONEMASK_TSAN:-} != 1 ]] || sanitized tsan thread_test_programs -- "$@"

python3 tests/support/count_results.py "${results[@]}" || status=1
exit "$status"
