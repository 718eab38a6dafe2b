#!/usr/bin/env bash
# Edits cf-gpt2 by every method, with 1, 100 and 1000 facts in a model, and prints CounterFact's scores of each. The first two use the
# same 100 facts. cf-gpt2 does not ship.
#   launch/methods_table.sh results/methods [RANKS]
# After an interruption the same command continues.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
source "$here/env.sh"
out=${1:?"usage: launch/methods_table.sh FOLDER [RANKS]"}
use_wheels
ranks=${2:-$cores}
mkdir -p "$out"
tables=()

# score NAME LABEL [options]: a study; LABEL is "METHOD facts", the method of a study that sweeps none.
score() {
  local name=$1 label=$2
  shift 2
  "$here/run_local.sh" "$ranks" sweep "$onemask_source/res/studies/methods_cf_gpt2.yaml" --out "$out/$name" \
    --objects "$out/objects" --csv "$@" >"$out/$name.csv"
  tables+=("$label=$out/$name.csv")
}

few=(--set facts.facts.per_relation=10)
alphaedit=(--set edit.method=alphaedit --set edit.nullspace_threshold=0.2 --set edit.L2=10)
fine=(--set edit.hparams=../hparams/ft/cf-gpt2.yaml)
score rome "rome 1" --set edit.hparams=../hparams/rome/cf-gpt2.yaml --sweep edit.method=rome,r-rome "${few[@]}"
for facts in 1 100 1000; do
  some=(--set "edit.facts_per_model=$facts")
  if ((facts < 1000)); then some+=("${few[@]}"); fi
  score "memit-$facts" "memit $facts" "${some[@]}" --sweep edit.method=memit,memit-merge
  score "emmet-$facts" "emmet $facts" "${some[@]}" --set edit.method=emmet --set edit.mom2_update_weight=1
  score "alphaedit-$facts" "alphaedit $facts" "${some[@]}" "${alphaedit[@]}"
  score "ft-l-$facts" "ft-l $facts" "${some[@]}" "${fine[@]}"
done
"${ONEMASK_WHEELS:+$ONEMASK_WHEELS/bin/}python3" "$here/methods_table.py" "${tables[@]}"
