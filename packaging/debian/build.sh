#!/bin/bash
# Builds dist/kith_VERSION_ARCH.deb for the Debian whose Python this machine has, from the lock file and the
# wheel. Nothing is installed on this machine.
#
#     packaging/debian/build.sh WHEEL
set -euo pipefail
cd "$(dirname "$0")/../.."

wheel=$(realpath "$1")
python=/usr/bin/python3
uv=.tools/bin/uv
version=$(basename "$wheel" | cut -d- -f2)
architecture=$(dpkg --print-architecture)
minor=$("$python" -c 'import sys; print(sys.version_info.minor)')
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
home=$root/usr/lib/kith

# the environment: bound to Debian's own Python, whose security updates it gets
"$uv" venv --quiet --relocatable --python "$python" "$home"
"$uv" export --quiet --frozen --no-dev --extra server --extra s3 --extra native-push --extra terminal --extra discovery --no-emit-project \
  --output-file "$work/requirements.txt"
"$uv" pip install --quiet --python "$home/bin/python" --require-hashes --no-deps --link-mode copy \
  --requirements "$work/requirements.txt"
"$uv" pip install --quiet --python "$home/bin/python" --no-deps --link-mode copy "$wheel"
# only what the package needs, without names of this machine
find "$home/bin" -mindepth 1 ! -name 'python*' -delete
find "$home" \( -name direct_url.json -o -name RECORD -o -name REQUESTED -o -name INSTALLER -o -name uv_cache.json \) -delete
rm -f "$home/.gitignore" "$home/.lock" "$home/CACHEDIR.TAG"
printf 'home = /usr/bin\ninclude-system-site-packages = false\n' > "$home/pyvenv.cfg"
# postinst compiles the modules: what Python writes is not the same each time
find "$home" -name __pycache__ -type d -prune -exec rm -rf {} +

install -D -m 755 /dev/stdin "$root/usr/bin/kith" <<'SCRIPT'
#!/bin/sh
exec /usr/lib/kith/bin/python -m kith "$@"
SCRIPT
for unit in packaging/debian/*.service packaging/debian/*.timer; do
  install -D -m 644 "$unit" "$root/lib/systemd/system/$(basename "$unit")"
done
install -D -m 640 packaging/debian/kith.toml "$root/etc/kith.toml"
install -D -m 644 LICENSE "$root/usr/share/doc/kith/copyright"
examples=$root/usr/share/doc/kith/examples
for example in packaging/proxies/* packaging/monitoring/*; do
  install -D -m 644 "$example" "$examples/$(basename "$example")"
done
for file in packaging/fail2ban/*; do
  install -D -m 644 "$file" "$examples/fail2ban-$(basename "$file")"
done
install -D -m 755 packaging/certbot/kith "$examples/certbot-hook"

mkdir "$root/DEBIAN"
cat > "$root/DEBIAN/control" <<CONTROL
Package: kith
Version: $version
Architecture: $architecture
Maintainer: The Kith developers <kith@localhost>
Installed-Size: $(find "$root/usr" -type f -printf '%s\n' | awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')
Depends: python3 (>= 3.$minor), python3 (<< 3.$((minor + 1))), adduser, ca-certificates
Section: net
Priority: optional
Description: messenger that anyone can run, end-to-end encrypted
 Message server, web app, and terminal client of Kith, which speaks XMPP. People register with a phone number
 or by invitation, and other XMPP clients work, too.
CONTROL
echo /etc/kith.toml > "$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
  install -m 755 "packaging/debian/$script" "$root/DEBIAN/$script"
done
(cd "$root" && find usr lib -type f -print0 | sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"

find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
mkdir -p dist
dpkg-deb --root-owner-group -Zxz --build "$root" "dist/kith_${version}_${architecture}.deb" >&2
echo "dist/kith_${version}_${architecture}.deb"
