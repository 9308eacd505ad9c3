#!/usr/bin/env bash
# Run Spiko in a kind cluster: images/kind.sh up CONFIG EXAMPLE builds the images, creates the cluster of CONFIG
# unless it exists, loads the images into its workers, installs the chart and says how to deploy EXAMPLE;
# images/kind.sh down deletes the cluster. Variables, all optional:
#   ENGINE      docker or podman
#   NODE_IMAGE  image of the nodes, and so the version of Kubernetes; kind's own by default
#   TAG, BASE   as for images/build.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cluster=spiko context=kind-spiko

fail() {
    echo "kind: $*" >&2
    exit 1
}

need() { # need COMMAND WHERE: end with one sentence if the command is not installed
    command -v "$1" >/dev/null || fail "$1 is not on the PATH: install it, see $2"
}

choose_engine() {
    ENGINE=${ENGINE:-$(command -v docker >/dev/null && echo docker || echo podman)}
    export ENGINE
    command -v "$ENGINE" >/dev/null || fail "neither docker nor podman is on the PATH: install one, see https://docs.docker.com/engine/install"
    if [[ $ENGINE == podman ]]; then export KIND_EXPERIMENTAL_PROVIDER=podman; fi
}

workers() {
    kind get nodes --name "$cluster" 2>/dev/null | grep -- -worker | sort
}

create() { # create CONFIG: the cluster, unless there is one with these nodes
    local config=$1 wanted existing
    if kind get clusters 2>/dev/null | grep -qx "$cluster"; then
        wanted=$(grep -c 'role: worker' "$config") existing=$(workers | wc -l)
        [[ $wanted == "$existing" ]] ||
            fail "the cluster $cluster has $existing workers, and $config has $wanted: run 'make kind-down' first"
        return
    fi
    kind create cluster --config "$config" ${NODE_IMAGE:+--image "$NODE_IMAGE"} --wait 120s
}

load() { # load IMAGE...: into the workers; the control plane runs no pods of Spiko
    local nodes
    nodes=$(workers | paste -sd ,)
    if [[ $ENGINE == docker ]]; then # kind leaves out the images that all nodes have
        kind load docker-image "$@" --name "$cluster" --nodes "$nodes"
        return
    fi
    archive=$(mktemp)
    trap 'rm -f "$archive"' EXIT
    podman save --quiet --multi-image-archive --output "$archive" "$@"
    kind load image-archive "$archive" --name "$cluster" --nodes "$nodes"
}

up() {
    local config=$1 example=$2 version tag operator nanoservice
    choose_engine
    need kind https://kind.sigs.k8s.io/docs/user/quick-start
    need kubectl https://kubernetes.io/docs/tasks/tools
    need helm https://helm.sh/docs/intro/install
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
    tag=${TAG:-$version}
    operator=docker.io/spiko/operator:$tag nanoservice=docker.io/spiko/nanoservice:$tag

    REGISTRY="" TAG=$tag images/build.sh
    create "$config"
    load "$operator" "$nanoservice"
    # The annotation replaces the operator's pod if another image has the same tag.
    helm upgrade --install spiko charts/spiko --kube-context "$context" --namespace spiko-system --create-namespace \
        --set scope=cluster --set-string image.tag="$tag" --set-string nanoservice.image.tag="$tag" \
        --set-string podAnnotations.image="$("$ENGINE" image inspect --format '{{.Id}}' "$operator")" \
        --wait --timeout 120s >/dev/null
    cat <<END
Spiko $tag is ready in the kind cluster "$cluster". Next:
  kubectl --context $context apply --filename examples/$example.yaml
  kubectl --context $context get architectures --watch
  kubectl spiko top $example --context $context
  make kind-down
END
}

down() {
    choose_engine
    need kind https://kind.sigs.k8s.io/docs/user/quick-start
    kind delete cluster --name "$cluster"
}

case $#${1:-} in
3up | 1down) "$@" ;;
*) fail "use: images/kind.sh up CONFIG EXAMPLE, or images/kind.sh down" ;;
esac
