#!/usr/bin/env bash
# Builds Stripe's own mock server, pinned in tools/go.mod, and prints its path.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
[ -x bin/stripe-mock ] || (cd tools && go build -o ../bin/stripe-mock github.com/stripe/stripe-mock) >&2
echo "$PWD/bin/stripe-mock"
