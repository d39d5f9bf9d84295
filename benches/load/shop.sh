# What the scripts of this folder have in common; sourced by them from the repository's root, after a release build.
# Sets url, and fills processes with what it starts. Whatever starts something is called by report, which ends it.
root=$PWD bin=$PWD/target/release folder=$(mktemp -d)
url=http://127.0.0.1:28080
processes=()
trap 'rm -rf "$folder"' EXIT

report() { # report FILE COMMAND: what it prints, here and, once it has gone well, in that file of results
  { trap stop EXIT; "$2"; } | tee "$folder/report"
  cp "$folder/report" "$root/benches/results/$1"
}

stop() { # asked to stop, an origin serves on until its edge has heard so
  for p in "${processes[@]}"; do kill "$p" 2>/dev/null || true; done
  for p in "${processes[@]}"; do wait "$p" 2>/dev/null || true; done
  processes=()
}

shop() { # shop KIND PRODUCTS ADMIT DISPATCH: an empty shop on that database, open for orders; the last two are sections of the edge's settings
  local data="$folder/$1"
  rm -rf "$data"
  mkdir -p "$data/conf"
  cd "$data"
  cat > conf/origin.yaml <<Y
accept: {listen: ["127.0.0.1:25000"]}
telemetry: {metrics_listen: "127.0.0.1:25001", log_filter: warn}
assets: {storefront_dir: "$root/origin/storefront/dist"}
outbox: {edges: []}
database: {kind: $1, mongodb: {uri: "mongodb://127.0.0.1:25017/?replicaSet=crackers"}}
Y
  cat > conf/proxy.yaml <<Y
accept: {listen: ["127.0.0.1:28080"]}
telemetry: {metrics_listen: "127.0.0.1:28145", admin_listen: "127.0.0.1:28146", log_filter: "warn,pingora_core=off,pingora_proxy=off"}
admit: $3
dispatch: $4
forward:
  groups:
    - name: origin
      servers: [{address: "127.0.0.1:25000", weight: 1}]
      health: {path: /api/health/live, interval_ms: 1000, timeout_ms: 2000, healthy_after: 1, unhealthy_after: 3}
Y
  if [ "$1" = mongodb ]; then
    mkdir mongo
    "$root/target/mongod/fiftyone/db/bin/mongod" --bind_ip 127.0.0.1 --port 25017 --dbpath mongo --replSet crackers \
      --wiredTigerCacheSizeGB 1 --quiet --logpath mongo/log & processes+=($!)
    node "$root/benches/load/initiate.mjs" 25017
  fi
  "$bin/crackers-origin" seed --products "$2" > /dev/null
  "$bin/crackers-origin" shop mode order > /dev/null
  ${origin_on:-} "$bin/crackers-origin" & processes+=($!)
  ${edge_on:-} "$bin/crackers-proxy" & processes+=($!)
  for _ in $(seq 300); do curl -fsS -o /dev/null "$url/api/health" 2>/dev/null && return; sleep 0.2; done
  echo "the shop does not answer" >&2; exit 1
}

bodies() { # bodies hot|spread FILE: orders to send, of things that are there in plenty
  node "$root/benches/load/bodies.mjs" "$url" "$1" > "$2"
  for sku in $(curl -fsS "$url/api/products?limit=100&sort=-price&stock=in_stock" | node -e 'let t="";process.stdin.on("data",d=>t+=d).on("end",()=>JSON.parse(t).items.forEach(i=>console.log(i.sku)))'); do
    "$bin/crackers-origin" stock set "$sku" 100000000 > /dev/null
  done
}

ticks() { # the processor time so far of edge, origin and mongod, in hundredths of a second
  local process
  for process in "${processes[@]}"; do cat "/proc/$process/stat"; done | awk '
    {ticks[$2] = $14 + $15}
    END {print ticks["(crackers-proxy)"] + 0, ticks["(crackers-origin)"] + 0, ticks["(mongod)"] + 0}'
}

subtracted() { paste <(tr ' ' '\n' <<<"$1") <(tr ' ' '\n' <<<"$2") | awk 'NF == 2 {printf "%d ", $1 - $2}'; }

machine() { echo "$(nproc) cores of $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs)"; }
