#!/usr/bin/env bash
# The architecture's arrows, checked: who may import what.
set -euo pipefail
cd "$(dirname "$0")/.."
mod=$(go list -m)
fail=0

# forbid FROM PATTERN WHY: no package below FROM may depend directly on PATTERN.
forbid() {
  local bad
  bad=$(go list -f '{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}{{"\n"}}{{end}}' "./$1/..." 2>/dev/null | grep -E " $2" || true)
  if [ -n "$bad" ]; then echo "forbidden import ($3):"; echo "$bad"; fail=1; fi
}

forbid copay "$mod/" "the domain imports nothing of ours"
forbid integrations "go\.temporal\.io/" "connectors know nothing of Temporal"
forbid ledger "go\.temporal\.io/" "the ledger knows nothing of Temporal"
forbid copay "go\.temporal\.io/" "the domain knows nothing of Temporal"
forbid integrations "$mod/(sandbox|api|worker|workflows|activities|ledger|dispatch|config)" "connectors stand below everything but the domain"
forbid sandbox "$mod/(integrations|api|worker|workflows|activities|ledger|dispatch)" "simulators meet the product only on the wire"
forbid workflows "$mod/(api|worker|config|dispatch|sandbox|integrations/)" "workflows know domain and activities"
forbid api "$mod/(worker|sandbox)" "the API does not run workers"
server=$(go list -f '{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}{{"\n"}}{{end}}' ./... | grep -E ' (go\.temporal\.io/server|github\.com/temporalio/ui-server)' | grep -v "^$mod/cmd/copay-dev" || true)
if [ -n "$server" ]; then echo "only cmd/copay-dev may link the Temporal server:"; echo "$server"; fail=1; fi
exit $fail
