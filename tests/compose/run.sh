#!/usr/bin/env bash
# make test-compose: the tests of the compose file, in the Docker engine that is here, else in one of their own (engine.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
  echo "Skipped: $*"
  exit 0
}

within=()
if ! { docker compose version && docker info; } >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] || skip "there is no Docker engine with Compose, and only root can set one up."
  command -v apt-get >/dev/null || skip "there is no Docker engine with Compose, and no Debian to take one from."
  trap 'tests/compose/engine.sh down' EXIT
  variables=$(timeout "${MAM_ENGINE_SECONDS:-300}" tests/compose/engine.sh up | tail -1) ||
    skip "there is no Docker engine with Compose, and none could be set up here (see above)."
  . "$variables"
  within=(nsenter "--net=$network")
fi
# Beyond ten minutes it stops after the test that is under way.
MAM_COMPOSE=1 "${within[@]}" .venv/bin/python -m pytest --session-timeout=600 tests/compose "$@"
