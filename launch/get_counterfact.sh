#!/usr/bin/env bash
# Downloads CounterFact (Meng et al. 2022; 45 MB, 21 919 facts) to FOLDER/counterfact.json and checks it. A second call
# only checks the file.
#   launch/get_counterfact.sh [FOLDER] [--sha256 SUM] [--cut TRAIN TEST OOD [--seed SEED]]
#   launch/get_counterfact.sh counterfact --cut 670 170 50
# FOLDER     "counterfact" by default
# --sha256   hash that the file must have. Without it, it is the one in FOLDER/SHA256SUMS, which the first call writes; for the
#            first call it is the one below.
# --cut      also writes files with a part of the facts. For each of the ten relations of "One Mask to Rule Them All" there are
#            counterfact_train<relation>.json with TRAIN facts and counterfact_test<relation>.json with TEST others.
#            memit_train_1000s_10rels.json and memit_test_1000s_10rels.json have the first 100 facts of each.
#            counterfact_ood.json has OOD facts of each of four more relations. launch/cut_counterfact.py says which facts are
#            chosen. The paper's own choice was published as files, not as a rule.
# --seed     of the cut, 0 by default
# ONEMASK_CF_URL  where to download from instead
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=launch/fetch.sh
source "$here/fetch.sh"

url=${ONEMASK_CF_URL:-https://rome.baulab.info/data/dsets/counterfact.json}
# The authors publish no sum; this is the one that projects working with the file state (45 108 470 bytes).
published=d017056125178a13728594e66a801357a8db9ed7973a7425554bb4271de9fc6f
usage="usage: launch/get_counterfact.sh [FOLDER] [--sha256 SUM] [--cut TRAIN TEST OOD [--seed SEED]]"

folder='' expected='' seed=0 cut=()
while (($#)); do
  case $1 in
    --sha256)
      [[ ${2:-} =~ ^[0-9a-fA-F]{64}$ ]] || fail 2 "--sha256 needs 64 hexadecimal digits. $usage"
      expected=${2,,}
      shift 2
      ;;
    --seed)
      [[ ${2:-} =~ ^[0-9]{1,18}$ ]] || fail 2 "--seed needs a number. $usage"
      seed=$2
      shift 2
      ;;
    --cut)
      [[ "${2:-} ${3:-} ${4:-}" =~ ^[0-9]{1,5}\ [0-9]{1,5}\ [0-9]{1,5}$ ]] || fail 2 "--cut needs three numbers of facts. $usage"
      cut=("$2" "$3" "$4")
      shift 4
      ;;
    -*) fail 2 "'$1' is no option. $usage" ;;
    *)
      [[ -n $1 && -z $folder ]] || fail 2 "$usage"
      folder=$1
      shift
      ;;
  esac
done
folder=${folder:-counterfact}

lock "$folder"
file=$folder/counterfact.json part=$folder/.counterfact.json.part sums=$folder/SHA256SUMS
if [[ -z $expected && -f $sums ]]; then
  expected=$(sed -nE 's/^([0-9a-f]{64})  counterfact\.json$/\1/p' "$sums")
  [[ $expected =~ ^[0-9a-f]{64}$ ]] || fail 2 "'$sums' has not one line for counterfact.json: remove '$sums', or give --sha256."
fi
expected=${expected:-$published}

if [[ -f $file ]] && ! is_lfs_pointer "$file"; then
  sum=$(sha256_of "$file")
  [[ $sum == "$expected" ]] ||
    fail 2 "'$file' has the SHA-256 $sum instead of $expected: it was changed since it was downloaded, or is another file." \
      "Remove it and run this again, or give --sha256 $sum if it is the one you want."
  python3 "$here/cut_counterfact.py" "$file" || exit 2
else
  download "$url" "$part" ||
    fail 1 "'$url' could not be downloaded (curl's code $?, HTTP status $http_status). Check the network and the disk and" \
      "run this again: it continues where it stopped."
  sum=$(sha256_of "$part")
  if [[ $sum != "$expected" ]]; then
    rm -f "$part"
    fail 1 "What came from '$url' has the SHA-256 $sum instead of $expected: it was damaged on its way, or its authors" \
      "changed it. Run this again; if the sum stays the same and you trust it, give --sha256 $sum."
  fi
  python3 "$here/cut_counterfact.py" "$part" || {
    rm -f "$part"
    exit 2
  }
  install_file "$part" "$file"
fi
{
  if [[ -f $sums ]]; then sed '/  counterfact\.json$/d' "$sums"; fi
  printf '%s  counterfact.json\n' "$sum"
} >"$sums.part"
install_file "$sums.part" "$sums"

if ((${#cut[@]})); then
  python3 "$here/cut_counterfact.py" "$file" "$folder" "${cut[@]}" "$seed" || exit 2
fi
echo "'$file' is complete: 21919 facts, SHA-256 $sum."
