#!/bin/sh
# Installs the package that this folder's parent holds, in the versions that constraints.txt pins, into the
# Python that PYTHON names. The image runs it; so does a test, in an environment of its own.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python}
extras=${EXTRAS:-qlora,search,serve,setfit,text}
"$python" -m pip install --no-cache-dir --disable-pip-version-check ${PIP_OPTIONS:-} \
    -c "$root/constraints.txt" "$root[$extras]"
"$python" -m tuneworthy.cli.main --version
