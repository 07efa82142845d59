#!/bin/bash
# Builds dist/kith-VERSION.oci.tar, an image in the OCI format, without a container daemon: Debian's base system
# with the Debian package installed, then checked by starting it.
#
#     sudo packaging/container/build.sh dist/kith_VERSION_ARCH.deb
#
# Load it with:  skopeo copy oci-archive:dist/kith-VERSION.oci.tar docker-daemon:kith:latest
# Needs mmdebstrap and umoci of Debian.
set -euo pipefail
cd "$(dirname "$0")/../.."

deb=$(realpath "$1")
version=$(dpkg-deb --field "$deb" Version)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2016 # $1 is for mmdebstrap
mmdebstrap --quiet --mode=root --variant=essential --include="apt,$deb" \
  --hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/* "$1"/usr/share/doc/*/examples' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  bookworm "$work/root" >&2

# it starts, as the user and in the way that the image does
packaging/container/check.sh "$work/root"

umoci init --layout "$work/image" >&2
umoci new --image "$work/image:latest" >&2
umoci unpack --image "$work/image:latest" "$work/bundle" >&2
cp -a "$work/root/." "$work/bundle/rootfs/"
umoci repack --image "$work/image:latest" "$work/bundle" >&2
umoci config --image "$work/image:latest" \
  --config.user kith --config.env KITH_DATA_DIR=/var/lib/kith --config.volume /var/lib/kith \
  --config.exposedports 5222 --config.exposedports 5223 --config.exposedports 5269 \
  --config.exposedports 8080 --config.exposedports 8443 --config.exposedports 8081 \
  --config.exposedports 8444 --config.stopsignal SIGTERM \
  --config.entrypoint /usr/bin/kith --config.cmd serve --author "The Kith developers" \
  --created "$(date --utc --date "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" >&2
umoci gc --layout "$work/image" >&2
mkdir -p dist
tar --create --file "dist/kith-$version.oci.tar" --directory "$work/image" --sort=name --owner=0 --group=0 \
  --numeric-owner --mtime "@$SOURCE_DATE_EPOCH" .
echo "dist/kith-$version.oci.tar"
