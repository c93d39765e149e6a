#!/bin/sh
# Regenerates every lock file here from its .in file: `make lock`, or `requirements/lock.sh --upgrade` for newer versions.
#
# Each file is locked for the Python and the platform that will run it, wheels only, with hashes: what was tested is
# what gets installed. No index address is written, so that the files work with any mirror.
set -eu
cd "$(dirname "$0")"
uv=${UV:-$(command -v ../.venv/bin/uv || echo uv)}

lock() { # PYTHON NAME FLAG-OR-INPUT ...
    python=$1 name=$2
    shift 2
    "$uv" pip compile --quiet --generate-hashes --only-binary :all: --no-emit-index-url \
        --custom-compile-command 'make lock' \
        --python-version "$python" --python-platform x86_64-manylinux_2_31 \
        --output-file "$name-py$(echo "$python" | tr -d .).txt" "$@"
}

lock 3.13 operator operator.in build.in "$@"
lock 3.13 router router.in "$@"
lock 3.11 modelserver modelserver.in "$@"
lock 3.11 kserve kserve.in "$@"
# Tests run against the versions that the operator's image holds.
lock 3.11 dev dev.in --constraint operator-py313.txt "$@"
