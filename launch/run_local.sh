#!/usr/bin/env bash
# Runs onemask on this machine with a number of ranks, one thread each.
#   launch/run_local.sh RANKS SUBCOMMAND ...
#   launch/run_local.sh 2 sweep res/studies/quickstart.yaml --out results/quickstart
# The exit code is the program's: 75 means "interrupted, run the same command again".
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

if (($# < 2)) || [[ ! $1 =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: launch/run_local.sh RANKS SUBCOMMAND ..., for example: launch/run_local.sh 2 sweep STUDY.yaml --out RUN" >&2
  exit 2
fi
ranks=$1
shift
mpirun=$(built_mpirun)

export OMPI_MCA_mpi_yield_when_idle=1 # a rank that waits leaves its core to one that works
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe OMPI_MCA_rmaps_base_oversubscribe=1
exec "$mpirun" -n "$ranks" --bind-to none "$onemask_source/build/release/onemask" "$@"
