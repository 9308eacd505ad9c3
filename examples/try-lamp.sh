#!/usr/bin/env bash
# Lamp, from nothing: a real control plane on this machine, 23 nanoservices as processes, traffic, a kill, what came of it.
# Leaves everything running; `spiko down` stops it. May be run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { # print a command, then run it
    printf '\n$ %s\n' "$*"
    "$@"
}

binaries=${SPIKO_CLUSTER_BIN:-$HOME/.cache/spiko-cluster/bin}
export KUBECONFIG=${SPIKO_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/spiko}/kubeconfig
export PATH=$binaries:$PATH

say python tests/cluster/build.py
spiko status >/dev/null 2>&1 || say spiko up --control-plane "$binaries"
say kubectl apply -f examples/lamp.yaml
say kubectl wait architecture/lamp --for=condition=Ready --timeout=60s
say kubectl wait architecture/lamp --for=condition=Programmed --timeout=60s
say kubectl get architectures
say kubectl get pods -L spiko.dev/tier,spiko.dev/zone
say spiko graph lamp
say spiko top lamp --once -t 5
say kubectl delete fault kill-webserver --ignore-not-found
say kubectl apply -f examples/kill-webserver.yaml
say kubectl wait fault/kill-webserver --for=condition=Ended --timeout=60s
say kubectl get faults
printf '\nit goes on running; now:\n  export KUBECONFIG=%s PATH=%s:$PATH\n  spiko top lamp\n  spiko down\n' "$KUBECONFIG" "$binaries"
