#!/usr/bin/env bash
# All static checks. Tools are pinned in tools/go.mod and built into bin/.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
tool() { [ -x "bin/$1" ] || (cd tools && go build -o "../bin/$1" "$2"); }

unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then
  echo "not formatted (run gofmt -w):"; echo "$unformatted"; exit 1
fi
go vet ./...
tool staticcheck honnef.co/go/tools/cmd/staticcheck
bin/staticcheck ./...
tool workflowcheck go.temporal.io/sdk/contrib/tools/workflowcheck
bin/workflowcheck ./workflows
tool buf github.com/bufbuild/buf/cmd/buf
./proto/generate.sh --lint-only
./tools/boundaries.sh
