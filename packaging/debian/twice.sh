#!/bin/bash
# Builds wheel and Debian package twice, from two copies of the present commit, and compares them bit for bit.
#
#     packaging/debian/twice.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
for copy in one another-name; do
  git clone --quiet . "$work/$copy"
  make --silent -C "$work/$copy" wheel
  (cd "$work/$copy" && packaging/debian/build.sh dist/kith-*.whl)
done
cd "$work"
for file in one/dist/*.whl one/dist/*.deb; do
  cmp "$file" "another-name/${file#one/}"
  sha256sum "${file}"
done
