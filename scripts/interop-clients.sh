#!/bin/bash
# Builds the clients of tests/interop/clients, in Go and in Rust, once for each of their lock files.
set -euo pipefail
cd "$(dirname "$0")/../tests/interop/clients"

bin=$PWD/bin
mkdir -p "$bin"

# A program is kept outside the checkout, by all that it is made of.
keep() {
  local name=$1 sources=$2 key store
  shift 2
  key=$(cat $sources | sha256sum | cut -c1-32)
  store=${XDG_CACHE_HOME:-$HOME/.cache}/kith/clients/$key
  if [[ ! -x $store/$name ]]; then
    mkdir -p "$store"
    "$@" "$store/$name.new"
    mv "$store/$name.new" "$store/$name"
  fi
  cp "$store/$name" "$bin/$name"
}

make_mellium() { (cd mellium && GOTOOLCHAIN=local GOFLAGS=-mod=readonly go build -o "$1" .); }

make_tokio() {
  local target
  target=$(mktemp -d)
  (cd tokio_xmpp && CARGO_TARGET_DIR=$target cargo build --quiet --release --locked)
  cp "$target/release/kith-interop-tokio-xmpp" "$1"
  rm -rf "$target"
}

keep mellium "mellium/go.mod mellium/go.sum mellium/main.go" make_mellium
keep tokio-xmpp "tokio_xmpp/Cargo.toml tokio_xmpp/Cargo.lock tokio_xmpp/src/main.rs" make_tokio
