#!/bin/bash
# Installs the Debian packages that a file lists, one on each line, unless they are there.
set -euo pipefail

missing=()
while read -r package _; do
  [[ -z $package || $package == \#* ]] && continue
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done < "$1"
((${#missing[@]})) || exit 0

root=()
if ((EUID != 0)); then
  if ! sudo -n true 2>/dev/null; then
    echo "The tests need these packages; please install them: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  root=(sudo -n)
fi
export DEBIAN_FRONTEND=noninteractive
export RUNLEVEL=1  # installed for the tests, which start what they need themselves
"${root[@]}" apt-get update -q
"${root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"
