#!/usr/bin/env bash
# Set up .venv from the hashed lock. Idempotent: a second call takes milliseconds. Needs Python 3.11+ and pip.
#   scripts/setup.sh            everything: the desk and its developers' tools
#   scripts/setup.sh runtime    the desk alone
set -euo pipefail
cd "$(dirname "$0")/.."
lock=requirements-dev.lock
[ "${1:-}" = runtime ] && lock=requirements.lock
venv=${VENV:-.venv}
stamp="$venv/.set-up-$(cat "$lock" pyproject.toml | sha256sum | cut -c1-16)"
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
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
echo "setup: installing from $lock into $venv (once; about half a minute)" >&2
if "$venv/bin/python" -m pip install -q 'uv==0.13.8' 2>/dev/null; then
  "$venv/bin/uv" pip install -q --compile-bytecode --require-hashes -p "$venv/bin/python" -r "$lock"
else
  "$venv/bin/python" -m pip install -q --require-hashes -r "$lock"
fi
"$venv/bin/python" -m pip install -q --no-deps -e .
rm -f "$venv"/.set-up-*
touch "$stamp"
