#!/bin/bash
# A quick part of the tests under the other versions of Python that are supported, where this machine has them.
# Nothing but packages is downloaded: where a version is missing, it says so, and that is no failure.
#
#   scripts/versions.sh [VERSION …]        3.12 and 3.13 if none is given
set -euo pipefail
cd "$(dirname "$0")/.."

#: In this process for the most part; one server that is started as operators start it.
tests=(tests/wire tests/accounts tests/store tests/sms tests/core/test_streams.py tests/core/test_process.py
  tests/api/test_register.py tests/client/test_stream.py tests/client/test_conversation.py)

# what runs as that version: on the path, of pyenv, or of uv; a shim of pyenv may lead nowhere
interpreter() {
  local candidate
  for candidate in $(type -ap "python$1") "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python \
    "$(.tools/bin/uv python dir)/cpython-$1".*/bin/python; do
    if "$candidate" -c 'import sys, venv' 2> /dev/null; then
      echo "$candidate"
      return
    fi
  done
}

[ $# -gt 0 ] || set -- 3.12 3.13
for version in "$@"; do
  python=$(interpreter "$version")
  if [ -z "$python" ]; then
    echo "Python $version: this machine has none, so nothing was tried with it"
    continue
  fi
  echo "Python $version: $python"
  export UV_PROJECT_ENVIRONMENT=.tools/python$version
  # the fuzzer and the pictures are for one version; neither is needed here
  .tools/bin/uv sync --frozen --quiet --all-extras --python "$python" --no-python-downloads \
    --no-install-package atheris --no-install-package matplotlib --no-install-package py-spy
  "$UV_PROJECT_ENVIRONMENT/bin/python" -m pytest -p no:cacheprovider -q "${tests[@]}"
done
