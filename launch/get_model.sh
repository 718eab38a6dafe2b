#!/usr/bin/env bash
# Downloads a model from Hugging Face: configuration, tokenizer and safetensors weights, each checked against the hub's hash.
#   launch/get_model.sh MODEL [FOLDER] [--revision NAME]
#   launch/get_model.sh openai-community/gpt2-xl
#   HF_TOKEN=hf_... launch/get_model.sh meta-llama/Llama-3.2-3B models/llama-3.2-3b
# FOLDER      the model's name without its owner by default
# --revision  branch, tag or commit; "main" by default
# HF_TOKEN    for models whose licence has to be accepted
# HF_ENDPOINT another hub than https://huggingface.co
# After an interruption the same call continues. FOLDER/SHA256SUMS is written last. Once it is there, a call only checks the files,
# without the network.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=launch/fetch.sh
source "$here/fetch.sh"

hub=${HF_ENDPOINT:-https://huggingface.co}
hub=${hub%/}
token=${HF_TOKEN:-}
usage="usage: launch/get_model.sh MODEL [FOLDER] [--revision NAME]"
model='' folder='' revision=main
while (($#)); do
  case $1 in
    --revision)
      [[ ${2:-} =~ ^[A-Za-z0-9][A-Za-z0-9._/-]*$ ]] || fail 2 "--revision needs a branch, tag or commit. $usage"
      revision=$2
      shift 2
      ;;
    -*) fail 2 "'$1' is no option. $usage" ;;
    *)
      [[ -n $1 && -z $folder ]] || fail 2 "$usage"
      if [[ -z $model ]]; then model=$1; else folder=$1; fi
      shift
      ;;
  esac
done
[[ $model =~ ^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$ ]] ||
  fail 2 "MODEL is a name such as openai-community/gpt2-xl. $usage"
folder=${folder:-${model##*/}}

# get URL FILE: ends the script with a sentence when it cannot be had.
get() {
  local code=0 whom="the owner of this HF_TOKEN"
  [[ -n $token ]] || whom=everyone
  download "$1" "$2" || code=$?
  ((code)) || return 0
  case $http_status in
    401 | 403)
      fail 2 "The hub does not give '$model' to $whom" \
        "(HTTP status $http_status). Check its name; if its licence has to be accepted, do so on $hub/$model, make a token on" \
        "$hub/settings/tokens and run this again with HF_TOKEN set to it."
      ;;
    404) fail 2 "The hub has no '$1' (HTTP status 404). Check the model's name and the revision, '$revision'." ;;
    *)
      fail 1 "'$1' could not be downloaded (curl's code $code, HTTP status $http_status). Check the network and the disk" \
        "and run this again: it continues where it stopped."
      ;;
  esac
}

# fits FILE SIZE KIND DIGEST
fits() {
  [[ $(stat -c %s "$1") == "$2" ]] || return 1
  if [[ $3 == sha256 ]]; then [[ $(sha256_of "$1") == "$4" ]]; else [[ $(git_blob_of "$1") == "$4" ]]; fi
}

lock "$folder"
sums=$folder/SHA256SUMS origin="# $model, revision $revision"
if [[ -f $sums ]]; then
  found=$(head -n 1 "$sums")
  [[ $found == "$origin" ]] || fail 2 "'$folder' holds something else ('${found#\# }'): give another folder."
  if (cd "$folder" && sha256sum --check --strict --quiet SHA256SUMS >/dev/null 2>&1); then
    echo "'$folder' is complete."
    exit 0
  fi
fi

tree=$folder/.tree.part
rm -f "$tree"
get "$hub/api/models/$model/tree/${revision//\//%2F}" "$tree"
files=$(python3 "$here/model_files.py" "$tree" "$model") || exit 2
rm -f "$tree"

while read -r size kind digest name; do
  file=$folder/$name part=$folder/.$name.part
  if [[ -f $file ]]; then
    if fits "$file" "$size" "$kind" "$digest"; then continue; fi
    if is_lfs_pointer "$file"; then
      echo "'$file' is a Git LFS pointer; downloading the file itself." >&2
    else
      [[ -f $sums ]] || fail 2 "'$file' is there already and is not that of '$model': remove it, or give another folder."
      echo "'$file' differs from that of '$model'; downloading it again." >&2
    fi
  fi
  echo "$name: $size bytes" >&2
  if [[ ! -f $part || $(stat -c %s "$part") != "$size" ]]; then
    if [[ -f $part ]] && (($(stat -c %s "$part") > size)); then rm -f "$part"; fi
    get "$hub/$model/resolve/${revision//\//%2F}/$name" "$part"
  fi
  if ! fits "$part" "$size" "$kind" "$digest"; then
    rm -f "$part"
    fail 1 "'$name' of '$model' arrived damaged: its $kind is not $digest. Run this again; it is downloaded once more."
  fi
  install_file "$part" "$file"
done <<<"$files"

{
  echo "$origin"
  while read -r _ kind digest name; do
    [[ $kind == sha256 ]] || digest=$(sha256_of "$folder/$name")
    printf '%s  %s\n' "$digest" "$name"
  done <<<"$files"
} >"$sums.part"
install_file "$sums.part" "$sums"
echo "'$folder' is complete."
