#!/usr/bin/env bash
# Installs what the build needs and is not there yet; a second call takes seconds.
#   launch/bootstrap.sh [--cuda]
#   Debian packages: through apt-get (as root, or with sudo).
#   LibTorch, Open MPI 5 and the Python of the tests: wheels, pinned in requirements.txt, in a virtual environment under
#   ${ONEMASK_CACHE:-${XDG_CACHE_HOME:-~/.cache}/onemask}, shared by all clones of this user.
# LibTorch comes with CUDA and NCCL (5 GB instead of 1 GB) where a GPU is visible, with --cuda or with ONEMASK_CUDA=1. Use --cuda if the
# build is to run on GPUs of other hosts, or if all tests are to run. Both kinds can be installed side by side.
# Prints the folder of the virtual environment on its last line.
# To use your own LibTorch or MPI, or another system than Debian, call cmake yourself: see CONTRIBUTING.md.
set -euo pipefail
unset CDPATH # with it, cd prints where it went
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

cuda=${ONEMASK_CUDA:-0}
if [[ -e /dev/nvidiactl ]]; then cuda=1; fi
case $* in
  '') ;;
  --cuda) cuda=1 ;;
  *)
    echo "usage: launch/bootstrap.sh [--cuda]" >&2
    exit 2
    ;;
esac

packages=(g++ cmake ninja-build ccache pkg-config python3-venv curl ca-certificates libhdf5-dev libboost-program-options-dev libfmt-dev
  libspdlog-dev libgtest-dev libgmock-dev nlohmann-json3-dev libyaml-cpp-dev libonig-dev libicu-dev libzip-dev zlib1g-dev libssl-dev)

command -v dpkg-query >/dev/null || {
  echo "bootstrap: this system has no Debian packages. Install the counterparts of these yourself: ${packages[*]};" \
    "then build as CONTRIBUTING.md says under 'Without Debian'." >&2
  exit 1
}
missing() {
  local package
  for package; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || echo "$package"
  done
}
as_root=()
apt_install() {
  echo "bootstrap: installing Debian packages: $*" >&2
  "${as_root[@]}" apt-get update -qq >&2 &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o APT::Keep-Downloaded-Packages=false "$@" >&2
}

mapfile -t absent < <(missing "${packages[@]}")
if ((${#absent[@]})); then
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || {
      echo "bootstrap: these Debian packages are missing and this user is not root: ${absent[*]}." \
        "Ask an administrator to install them." >&2
      exit 1
    }
    as_root=(sudo)
  fi
  apt_install "${absent[@]}"
fi

# Tests start a SLURM of their own, as root, and are skipped where they cannot. Nothing is installed beside a SLURM that is there, nor
# where systemd would start the daemons now or at the next boot; elsewhere a policy keeps them from being started.
install_slurm() (
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  apt_install slurm-wlm munge
)
if [[ $(id -u) == 0 && ! -d /run/systemd/system ]] && ! command -v sbatch >/dev/null; then
  install_slurm || echo "bootstrap: slurm-wlm and munge cannot be installed; tests that need them are skipped." >&2
fi

# Tests open reports in a browser (100 MB), and are skipped where there is none.
if [[ $(id -u) == 0 ]] && ! command -v chromium-headless-shell chromium google-chrome >/dev/null; then
  apt_install chromium-headless-shell || echo "bootstrap: chromium-headless-shell cannot be installed; tests that open reports are skipped." >&2
fi

# What LibTorch needs to compute on CPUs: its CPU libraries are linked to two of NVIDIA's, of 5 MB.
cpu_wheels=("$(grep '^torch==' "$here/requirements.txt")" 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cupti==13.0.*')

name=$(sha256sum "$here/requirements.txt" | cut -c1-12)
if [[ $cuda != 1 ]]; then
  name=$(printf '%s\n' "$name" "${cpu_wheels[@]}" | sha256sum | cut -c1-12)-cpu
fi
cache=${ONEMASK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/onemask}
venv=$cache/$name
mkdir -p "$cache"
exec 9>"$cache/$name.lock"
flock 9 # two clones may bootstrap at once
install_wheels() {
  env -u PYTHONPATH PIP_USER=0 "$venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-compile "$@" >&2
}
if [[ ! -f $venv/.complete ]]; then
  rm -rf "$venv"
  if [[ $cuda == 1 ]]; then
    echo "bootstrap: installing the wheels of launch/requirements.txt into $venv (about 5 GB, some minutes)" >&2
    python3 -m venv "$venv"
    install_wheels -r "$here/requirements.txt"
  else
    echo "bootstrap: installing the wheels of launch/requirements.txt into $venv, without CUDA (about 1 GB, a minute)" >&2
    python3 -m venv "$venv"
    grep -vE '^(torch|nvidia-)' "$here/requirements.txt" >"$venv/requirements.txt"
    install_wheels -r "$venv/requirements.txt"
    install_wheels --no-deps --target "$venv/unpacked" "${cpu_wheels[@]}"
    mkdir -p "$venv/libtorch/lib"
    mv "$venv"/unpacked/torch/include "$venv/libtorch/"
    mv "$venv"/unpacked/torch/lib/lib{c10,torch_cpu,gomp}.so* "$venv"/unpacked/nvidia/cu13/lib/lib{cudart,cupti}.so.* "$venv/libtorch/lib/"
    rm -rf "$venv/unpacked"
  fi
  touch "$venv/.complete"
fi

# Lists of their own can be changed without fetching the 5 GB again. --no-deps: what else these wheels need is there, in the pinned versions.
install_extra() { # NAME WHAT
  local list=$here/$1_requirements.txt
  local marker
  marker=$venv/.$1-$(sha256sum "$list" | cut -c1-12)
  if [[ -f $marker ]]; then return; fi
  if install_wheels --no-deps -r "$list"; then
    touch "$marker"
  else
    echo "bootstrap: launch/$1_requirements.txt cannot be installed; tests that need $2 are skipped." >&2
  fi
}
install_extra statistics "scipy, polars or DuckDB"
install_extra report "axe-core or matplotlib"
# Tests hold adapters against PEFT, which needs Python's torch, so only beside CUDA.
if [[ $cuda == 1 ]]; then install_extra peft PEFT; fi
echo "$venv"
