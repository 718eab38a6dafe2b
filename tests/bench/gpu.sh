#!/usr/bin/env bash
# Tests and measures this build on a machine with a GPU that has python3 with PyTorch and transformers, but perhaps nothing else
# that the program needs, and no network.
#   tests/bench/gpu.sh pack                       here, after a build: puts programs, tests and libraries into build/gpu/pack.tar.xz
#   tests/bench/gpu.sh run [--out FOLDER]         there, in a copy of the sources with build/gpu: at most 8 minutes
#   tests/bench/gpu.sh run --rehearse             the same on the pretend accelerator, with tiny models
# `run` prints a table and writes it with all that was measured to FOLDER ($OUT, or results/gpu). Its exit code is 0 when every
# part succeeded.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
case ${1:-} in
pack | run) exec python3 "$here/gpu_$1.py" "${@:2}" ;;
*)
  sed -n '/^set/q;2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
  ;;
esac
