# shellcheck shell=bash
# Sourced by the other scripts, under set -euo pipefail: where things are and how Open MPI shall behave.

unset CDPATH # with it, cd prints where it went
onemask_source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cores=$(env -u OMP_NUM_THREADS nproc) # nproc would say what OMP_NUM_THREADS says
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # as many ranks as cores, one thread each, is the fastest on CPUs
export CUBLAS_WORKSPACE_CONFIG=${CUBLAS_WORKSPACE_CONFIG:-:4096:8} # products on GPUs that come out the same in every run
if [[ $(id -u) == 0 ]]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# Makes LibTorch, Open MPI and the Python of the tests known to CMake and to PATH, installing them when they are missing.
# With ONEMASK_WHEELS set to a folder nothing is installed; set but empty, CMake looks for your own (see CONTRIBUTING.md).
use_wheels() {
  if [[ -z ${ONEMASK_WHEELS+set} ]]; then
    ONEMASK_WHEELS=$("$onemask_source/launch/bootstrap.sh" | tail -n 1)
  fi
  export ONEMASK_WHEELS
  if [[ -n $ONEMASK_WHEELS ]]; then
    export PATH=$ONEMASK_WHEELS/bin:$PATH
  fi
}

# Compilers that fit this machine: one a core, and 1.5 GB of memory for each (a file that includes LibTorch takes 1.3 GB).
build_jobs() {
  local fitting
  fitting=$(awk '/^MemAvailable:/ {printf "%d", $2 / 1.5e6}' /proc/meminfo)
  if [[ -r /sys/fs/cgroup/memory.max && $(</sys/fs/cgroup/memory.max) =~ ^[0-9]+$ ]]; then
    local limit=$((BASH_REMATCH[0] / 1500000000))
    fitting=$((limit < fitting ? limit : fitting))
  fi
  local jobs=$((fitting < cores ? fitting : cores))
  echo $((jobs > 1 ? jobs : 1))
}

# The launcher of the MPI that build/release was linked to; another one would start ranks that do not know each other.
built_mpirun() {
  if [[ ! -x $onemask_source/build/release/onemask ]]; then
    echo "There is no build/release/onemask yet: run launch/quickstart.sh or build it as CONTRIBUTING.md says." >&2
    return 2
  fi
  echo "$onemask_source/build/release/mpirun"
}

# Options for mpirun, one a line, with which a rank that dies does not end the others; none where its MPI has no ULFM.
survive_lost_ranks() {
  local info
  info=$(sed -n 's|^MPIEXEC_EXECUTABLE:FILEPATH=\(.*\)/.*|\1/ompi_info|p' "$onemask_source/build/release/CMakeCache.txt")
  if [[ -x $info ]] && "$info" --parsable 2>/dev/null | grep '^options:ft_mpi_support:yes$' >/dev/null; then
    printf '%s\n' --with-ft ulfm
  fi
}
