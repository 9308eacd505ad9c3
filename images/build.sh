#!/usr/bin/env bash
# Build images: images/build.sh [nanoservice] [operator], both by default. Variables, all optional:
#   ENGINE    docker, podman or buildah: the first of them on the PATH
#   REGISTRY  where the images are to be pushed; docker.io by default, so that the name is spiko/nanoservice:TAG
#   TAG       the version in pyproject.toml by default
#   BASE      base image, with Python 3.11 to 3.14; the default is in the Containerfile
# If there is a folder images/wheels, packages come from it alone and not from PyPI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

engine=${ENGINE:-}
for candidate in docker podman buildah; do
    [[ -n $engine ]] || ! command -v "$candidate" >/dev/null || engine=$candidate
done
if [[ -z $engine ]] || ! command -v "$engine" >/dev/null; then
    echo "images: ${engine:-docker, podman or buildah} is not on the PATH: install it to build images" >&2
    exit 1
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
options=(--file Containerfile --build-arg "VERSION=$version")
if revision=$(git rev-parse HEAD 2>/dev/null); then options+=(--build-arg "REVISION=$revision"); fi
if [[ -n ${BASE:-} ]]; then options+=(--build-arg "BASE=$BASE"); fi
if [[ -d images/wheels ]]; then
    options+=(--build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/build/wheels)
fi

[[ $# -gt 0 ]] || set -- nanoservice operator
for image in "$@"; do
    name=${REGISTRY:-docker.io}/spiko/$image:${TAG:-$version}
    echo "images: building $name with $engine"
    "$engine" build "${options[@]}" --target "$image" --tag "$name" .
done
