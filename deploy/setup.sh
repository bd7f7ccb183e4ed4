#!/usr/bin/env bash
# Installs what the development stack needs and this machine lacks: today only
# a PostgreSQL server. Says in one sentence what to do where it cannot.
set -euo pipefail

if ! command -v go >/dev/null; then
  echo "Go is missing: install Go 1.26.8 or newer from https://go.dev/dl and run this again." >&2
  exit 1
fi

oldest=15
needed="install the PostgreSQL server ($oldest or newer, from https://www.postgresql.org/download) and run this again."

# The newest server there is, in the places where the stack looks for it; 0: none.
newest() {
  local initdb version best=0
  for initdb in "$(command -v initdb)" /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb /usr/lib64/pgsql/bin/initdb /usr/libexec/postgresql*/initdb \
    /opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb /usr/local/pgsql/bin/initdb; do
    [ -x "$initdb" ] || continue
    version=$("$initdb" --version | sed -n 's/.*(PostgreSQL) \([0-9]*\).*/\1/p')
    if [ "${version:-0}" -gt "$best" ]; then best=$version; fi
  done
  echo "$best"
}
have_postgres() { [ "$(newest)" -ge "$oldest" ]; }

have_postgres && exit 0

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Runs a package manager without its chatter, which is shown when it fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  "$@" >"$log" 2>&1 && return
  cat "$log" >&2
  echo "PostgreSQL is missing and could not be installed (the reason is above): $needed" >&2
  exit 1
}

echo "PostgreSQL $oldest or newer is missing; installing it from the system's packages…"
if command -v apt-get >/dev/null; then
  # The distribution would start a server of its own on port 5432; we run a private one.
  as_root mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  quietly as_root apt-get update -qq
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql
elif command -v dnf >/dev/null; then
  quietly as_root dnf install -y -q postgresql-server
elif command -v brew >/dev/null; then
  quietly brew install --quiet postgresql@16
else
  echo "PostgreSQL is missing and this system's package manager is not known: $needed" >&2
  exit 1
fi

have_postgres && exit 0
if [ "$(newest)" = 0 ]; then
  echo "PostgreSQL was installed, but its initdb was not found: put the server's bin folder on PATH and run this again." >&2
else
  echo "The system's packages have PostgreSQL $(newest), which is too old: $needed" >&2
fi
exit 1
