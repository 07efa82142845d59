#!/bin/bash
# Checks the units with systemd-analyze, in a root file system where the commands exist that they name.
# Everything that it says, also an unknown key, is an error.
set -euo pipefail
cd "$(dirname "$0")"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
units=(*.service *.timer)
for unit in "${units[@]}"; do
  install -D -m 644 "$unit" "$root/lib/systemd/system/$unit"
done
grep -ohE '^Exec[A-Za-z]*=\S+' "${units[@]}" | cut -d= -f2 | sort -u | while read -r command; do
  install -D -m 755 /dev/stdin "$root$command" <<< '#!/bin/sh'
done
said=$(systemd-analyze verify --man=no --recursive-errors=no --root="$root" "${units[@]}" 2>&1) || true
if [[ -n $said ]]; then
  echo "$said" >&2
  exit 1
fi
