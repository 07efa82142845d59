#!/bin/bash
# Starts the Kith that is installed in a root file system, on loopback of a network of its own, asks whether it
# is well, and stops it. It has to end with status 0.
#
#     sudo packaging/container/check.sh ROOT
set -euo pipefail

# shellcheck disable=SC2016 # for the shell inside
exec unshare --net --pid --fork --kill-child --mount-proc="$1/proc" chroot "$1" /bin/bash -euc '
  python3 - <<PYTHON
import fcntl, socket, struct
# the loopback of a new network is down: SIOCSIFFLAGS, IFF_UP
with socket.socket() as any:
    fcntl.ioctl(any, 0x8914, struct.pack("16sH14s", b"lo", 1, b""))
PYTHON
  # as the user of the service; in the background, exec makes it the process that kill reaches
  run() { exec setpriv --reuid=kith --regid=kith --clear-groups env HOME=/var/lib/kith KITH_DATA_DIR=/var/lib/kith "$@"; }
  run /usr/bin/kith serve > /tmp/kith.log 2>&1 &
  server=$!
  for _ in $(seq 300); do
    if python3 -c "import urllib.request as r; r.urlopen(\"http://127.0.0.1:8080/health\", timeout=2)" 2>/dev/null; then
      page=$(python3 -c "import urllib.request as r; print(len(r.urlopen(\"http://127.0.0.1:8080/\", timeout=5).read()))")
      (run /usr/bin/kith doctor) || true
      kill $server
      wait $server || { cat /tmp/kith.log; exit 1; }
      rm -rf /var/lib/kith/* /tmp/kith.log
      echo "it starts, serves the web app ($page bytes), and stops"
      exit 0
    fi
    kill -0 $server 2>/dev/null || break
    sleep 0.1
  done
  cat /tmp/kith.log
  exit 1' >&2
