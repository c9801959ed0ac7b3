#!/usr/bin/env bash
# Set up .venv from the hashed lock. Idempotent: a second call takes milliseconds. Needs Python 3.11+ and pip.
#   scripts/setup.sh            everything: the desk and its developers' tools
#   scripts/setup.sh runtime    the desk alone
set -euo pipefail
cd "$(dirname "$0")/.."
lock=requirements-dev.lock
[ "${1:-}" = runtime ] && lock=requirements.lock
venv=${VENV:-.venv}
stamp="$venv/.set-up-$({ pwd; cat "$lock" pyproject.toml; } | sha256sum | cut -c1-16)"
[ -e "$stamp" ] && exit 0

python=
for name in python3.11 python3.12 python3.13 python3 python; do
  if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
    python=$name
    break
  fi
done
if [ -z "$python" ]; then
  echo "setup: no Python 3.11, 3.12 or 3.13 found; install one, then run this again" >&2
  exit 3
fi

# A copied or moved checkout brings a .venv whose `desk` still runs the code of the old place.
if [ "$(cat "$venv/.made-for" 2>/dev/null || pwd)" != "$(pwd)" ]; then rm -rf "$venv"; fi
# The base Python's pip fills the venv: quicker than ensurepip, which some distributions leave out.
[ -x "$venv/bin/python" ] || "$python" -m venv --without-pip "$venv"
pwd >"$venv/.made-for"
export PIP_DISABLE_PIP_VERSION_CHECK=1
pip=("$python" -m pip --python "$venv/bin/python")
if ! "$python" -m pip --version >/dev/null 2>&1; then
  "$venv/bin/python" -m ensurepip >/dev/null
  pip=("$venv/bin/python" -m pip)
fi

with_uv() {
  local uv=("$venv/bin/uv" pip install -q -p "$venv/bin/python")
  "${uv[@]}" --require-hashes -r "$lock" && "${uv[@]}" --no-deps -e .
}
with_pip() {
  "${pip[@]}" install -q --no-compile --require-hashes -r "$lock" && "${pip[@]}" install -q --no-deps -e .
}

echo "setup: installing from $lock into $venv (once; a minute or two)" >&2
export UV_SYSTEM_CERTS=1 # like pip, trust what the machine trusts
"${pip[@]}" install -q 'uv==0.13.8' pip || true
# uv reads none of pip's settings: behind a mirror that only pip knows, pip does the work, slower.
if ! { [ -x "$venv/bin/uv" ] && with_uv; }; then
  echo "setup: uv could not; pip goes on (about two minutes)" >&2
  with_pip
fi
# uv leaves sources uncompiled, and where Python may not write bytecode every start would compile them anew.
# Left out: what no run imports. A vendor's file that does not compile is no failure of ours.
"$venv/bin/python" -m compileall -qq -j0 -x '/(tests?|_vendor|typeshed|transformers/models)/' "$venv/lib" || true
# The options engine's kernels are compiled now rather than in the first run, which could do it too.
"$venv/bin/python" -m app.kernels || echo "setup: the first run will compile the kernels" >&2
rm -f "$venv"/.set-up-*
touch "$stamp"
