#!/usr/bin/env bash
# Protos to Go, REST gateway and OpenAPI; --lint-only checks them. Everything is
# pinned: buf and the plugins in tools/go.mod, protoc-gen-go and the imported
# protos by the modules the product is built with. No proto registry is asked.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/bin
staged=$PWD/.cache/protos
mkdir -p "$bin"

tool() { [ -x "$bin/$1" ] || (cd tools && go build -o "$bin/$1" "$2"); }
tool buf github.com/bufbuild/buf/cmd/buf
tool protoc-gen-go-grpc google.golang.org/grpc/cmd/protoc-gen-go-grpc
tool protoc-gen-grpc-gateway github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway
tool protoc-gen-openapiv2 github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2
# Built from the product's own module, so that it is always the runtime's version.
[ -x "$bin/protoc-gen-go" ] || go build -o "$bin/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go

# module_dir MODULE@VERSION: where the Go module cache has it.
module_dir() { go mod download -json "$1" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p'; }
stage() { # stage MODULE@VERSION SUBDIR FILE: into the import path of FILE
  local dir
  dir=$(module_dir "$1")
  mkdir -p "$staged/$(dirname "$3")"
  cp -f "$dir/$2/$3" "$staged/$3"
  chmod u+w "$staged/$3"
}
stage github.com/grpc-ecosystem/grpc-gateway@v1.16.0 third_party/googleapis google/api/annotations.proto
stage github.com/grpc-ecosystem/grpc-gateway@v1.16.0 third_party/googleapis google/api/http.proto
stage github.com/bufbuild/protovalidate@v1.2.2 proto/protovalidate buf/validate/validate.proto
stage github.com/grpc-ecosystem/grpc-gateway/v2@v2.29.0 . protoc-gen-openapiv2/options/annotations.proto
stage github.com/grpc-ecosystem/grpc-gateway/v2@v2.29.0 . protoc-gen-openapiv2/options/openapiv2.proto

export PATH="$bin:$PATH"
bin/buf format --exit-code proto >/dev/null || { echo "protos are not formatted: run bin/buf format -w proto"; exit 1; }
bin/buf lint proto
[ "${1:-}" = --lint-only ] && exit 0
bin/buf generate proto
