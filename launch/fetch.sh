# shellcheck shell=bash
# Sourced by the scripts get_*.sh, under set -euo pipefail: downloads that are checked before they get their names.

# fail CODE WORDS...: 2 for what the user gave, 1 for the network or the machine.
fail() {
  local code=$1
  shift
  echo "$*" >&2
  exit "$code"
}

# lock FOLDER: makes it, and ends the script when another one is at work in it.
lock() {
  mkdir -p "$1" || fail 2 "'$1' cannot be made: give another folder."
  exec 9<"$1"
  flock -n 9 || fail 2 "'$1' is being filled by another call of this script: wait for it, or give another folder."
}

# One call of curl, with the token of $token if there is one: through a pipe, so that no list of processes shows it.
request() {
  local options=(--fail --location --show-error --retry 3 --connect-timeout 30 --speed-limit 1000 --speed-time 60 --write-out '%{http_code}')
  if [[ -t 2 ]]; then options+=(--progress-bar); else options+=(--silent); fi
  if [[ -n ${token:-} ]]; then
    curl "${options[@]}" --header @<(printf 'Authorization: Bearer %s\n' "$token") "$@"
  else
    curl "${options[@]}" "$@"
  fi
}

# download URL FILE: puts what the server has behind the end of FILE. Sets http_status; ends with curl's code.
download() {
  local url=$1 file=$2 code=0
  http_status=$(request --continue-at - --output "$file" "$url") || code=$?
  if ((code == 33)) || [[ $http_status == 416 ]]; then # the server cannot go on from there
    rm -f "$file"
    code=0
    http_status=$(request --output "$file" "$url") || code=$?
  fi
  return "$code"
}

sha256_of() {
  sha256sum <"$1" | cut -d ' ' -f 1
}

# The name that git has for a file of these bytes.
git_blob_of() {
  { printf 'blob %d\0' "$(stat -c %s "$1")" && cat "$1"; } | sha1sum | cut -d ' ' -f 1
}

# Whether a file is what a clone without Git LFS has in place of a large one.
is_lfs_pointer() {
  [[ $(head -c 35 "$1" | tr -d '\0') == "version https://git-lfs.github.com/" ]]
}

# install_file FILE NAME: renames what is complete, once the disk has it.
install_file() {
  sync "$1"
  mv -f "$1" "$2"
  sync "$(dirname "$2")"
}
