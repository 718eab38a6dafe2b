# shellcheck shell=bash
# Sourced by the scripts for SLURM, in the job, under set -euo pipefail: runs a command until it is done, over as many starts of
# the job as it takes, at most ONEMASK_MAX_RESTARTS (20 by default) after the first.

max_restarts=${ONEMASK_MAX_RESTARTS:-20}
restarts=${SLURM_RESTART_COUNT:-0}
signals=0
command=
watch=

# USR1 for TERM too: mpirun passes USR1 on to the ranks, on TERM it would end them at once. They need 10 s at most; while they start
# they may not hear it, so it is said again, and some that were hit before they listened may leave others waiting for them, so that
# after a minute all are ended.
warn() {
  kill -USR1 "$command" 2>/dev/null || true
  if [[ -z $watch ]]; then
    {
      for _ in {1..12}; do sleep 5 && kill -USR1 "$command" || exit 0; done
      kill "$command"
    } >/dev/null 2>&1 &
    watch=$!
    disown "$watch"
  fi
}
trap 'signals=$((signals + 1)); [[ -z $command ]] || warn' USR1 TERM

if [[ ! $max_restarts =~ ^(0|[1-9][0-9]{0,5})$ ]]; then
  echo "ONEMASK_MAX_RESTARTS must be a whole number, not '$max_restarts'." >&2
  exit 2
fi
echo "=== job $SLURM_JOB_ID${SLURM_ARRAY_TASK_ID:+ (task $SLURM_ARRAY_TASK_ID of array $SLURM_ARRAY_JOB_ID)}," \
  "restart $restarts of at most $max_restarts, on $SLURM_JOB_NODELIST (tasks per node: $SLURM_TASKS_PER_NODE)," \
  "$(date '+%F %T') ==="

# Ranks and GPUs of a node that differ in number. SLURM says how many GPUs this node has for the job; the others have as many if they
# were requested per node.
check_gpus() {
  local gpus=${SLURM_GPUS_ON_NODE:-0} ranks
  [[ $gpus =~ ^[1-9][0-9]*$ ]] || return 0
  if [[ -n ${SLURM_GPUS_PER_TASK:-} ]] && ((SLURM_NTASKS > 1)); then
    echo "warning: --gpus-per-task leaves the ranks of a node only one rank's GPUs. Request them with --gpus-per-node." >&2
    return 0
  fi
  for ranks in ${SLURM_TASKS_PER_NODE//,/ }; do # as in 4(x2),3
    ranks=${ranks%(*}
    if ((ranks != gpus)); then
      echo "warning: a node of this job has $gpus GPU(s) and $ranks rank(s). Ranks that share a GPU slow each other down, and a GPU" \
        "without a rank is idle: submit with --ntasks-per-node=$gpus --ntasks=$((gpus * ${SLURM_JOB_NUM_NODES:-1}))." >&2
      return 0
    fi
    [[ -n ${SLURM_GPUS_PER_NODE:-} ]] || return 0
  done
}
check_gpus

# How the last start of a run on all its nodes has ended, and its number: "complete 2".
ending_of() {
  build/release/onemask status "$1" --json 2>/dev/null |
    sed -nE 's/.*"part":"","phase":"([a-z]+)","attempt":([0-9]+).*/\1 \2/p' || true
}

# run_until_done RUN COMMAND [WORDS]: does not return. Whether the command has completed the run is read from the run folder RUN,
# because mpirun of Open MPI 5.0 ends with 0 also after it has lost a node, and with any code after it has lost a rank; how the
# program has ended, where it came to an end, from a file that rank 0 leaves. With an empty RUN the exit code alone counts.
run_until_done() {
  local run=$1 before='' ending='' status=75 seen=-1 code code_file
  shift
  code_file=$(mktemp)
  [[ -z $run ]] || before=$(ending_of "$run")
  if ((signals == 0)); then
    ONEMASK_EXIT_CODE_FILE=$code_file "$@" &
    command=$!
    ((signals == 0)) || warn
    while ((seen != signals)); do # a signal interrupts `wait`, which is then called again
      seen=$signals status=0
      wait "$command" || status=$?
    done
    [[ -z $watch ]] || kill "$watch" 2>/dev/null || true
  fi
  code=$(<"$code_file")
  rm -f "$code_file"
  [[ -z $code || $code == 1 ]] || status=$code # 1 may be what a rank came to that saw MPI go down

  if [[ -n $run ]]; then
    ending=$(ending_of "$run")
    [[ $ending != "$before" ]] || ending=''
    case $ending in
      complete*) exit 0 ;;
      partial*) exit 3 ;;
      failed*) ((signals)) || exit 1 ;;
    esac
  fi
  # 1, 2 and 3 would come again, as would a program that is not there or does not start (127, 126). Other codes, and 1 after a
  # signal, tell of an interruption, or of a rank or node that was lost.
  case $status in
    0) [[ -n $run ]] || exit 0 ;;
    1) ((signals)) || exit 1 ;;
    2 | 3 | 126 | 127) exit "$status" ;;
  esac
  if ((restarts >= max_restarts)); then
    echo "=== interrupted (exit code $status) after $restarts restarts, as many as ONEMASK_MAX_RESTARTS allows;" \
      "submit it again to continue ==="
  elif [[ $(scontrol show job --oneliner "$SLURM_JOB_ID") != *" JobState=RUNNING "* ]]; then
    echo "=== interrupted (exit code $status) by SLURM, which starts it again unless it was cancelled ==="
  else
    echo "=== interrupted (exit code $status), requeued; it will continue where it stopped ==="
    scontrol requeue "$SLURM_JOB_ID"
  fi
  exit 75
}
