#!/bin/sh
# install.sh LOCK VENV: makes a virtual environment that holds exactly what a lock file names, for the Dockerfile.
#
# Wheels come from /wheels if something is mounted there, else from the package index; their hashes are checked either
# way. pip itself stays outside: nothing can be installed into a running container.
set -eu
lock=$1 venv=$2

from=
if [ -n "$(ls -A /wheels 2>/dev/null)" ]; then
    from="--no-index --find-links=/wheels"
fi
python3 -m venv --without-pip "$venv"
# shellcheck disable=SC2086  # two words or none
python3 -m pip --python "$venv/bin/python" install --quiet --disable-pip-version-check --root-user-action=ignore \
    --no-cache-dir --no-compile --only-binary :all: --require-hashes $from -r "$lock"
