#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A real Kubernetes for this machine: its programs are compiled from Debian's
# source package, what it runs on (etcd, containerd, runc, the CNI plugins, a
# static busybox, kubectl) is unpacked from Debian's packages. The system gets
# none of it: no daemon is installed that would start by itself. It all lies in
# the cache, complete or not at all, so that a second call takes no time.
#
# usage: build-kubernetes.sh [--path]   builds what is missing; --path prints the folder
#
# Exit codes: 0 it is there; 3 Debian's archives here do not have what it is built from, or do not answer; 1 otherwise.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"

# Go 1.19 is the last one that Debian has beside this source and that compiles it.
go_package=golang-1.19
# Before 1.0.2 this library, vendored here, knows maps as the runtime kept them until Go 1.18.
reflect2_package=golang-github-modern-go-reflect2-dev
reflect2=github.com/modern-go/reflect2
unpacked_packages=(etcd-server containerd runc kubernetes-client containernetworking-plugins busybox-static)
# What those and the lab's scripts need of the system.
system_packages=(iptables conntrack iproute2 openssl util-linux procps libseccomp2 curl socat iputils-ping)
commands=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

case ${1:-} in
    '' | --path) ;;
    *) die "usage: build-kubernetes.sh [--path]" ;;
esac

# Kept apart from the system's own lists: those need not name source packages, and are not ours to change.
private_apt() {
    apt-get -q -o "Dir::Etc::sourcelist=$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache" -o APT::Sandbox::User=root "$@"
}

# prepare_apt: a list of the Debian archives that the system knows already, with their sources.
prepare_apt() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg uri release component signed=''
    [ ! -e "$keyring" ] || signed=" [signed-by=$keyring]"
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    apt-get indextargets --format "\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" 'Created-By: Packages' 'Origin: Debian' |
        sort -u >"$work/apt/archives"
    [ -s "$work/apt/archives" ] || apt-get indextargets --format "\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
        'Created-By: Packages' | sort -u >"$work/apt/archives"
    while read -r uri release component; do
        echo "deb$signed $uri $release $component"
        echo "deb-src$signed $uri $release $component"
    done <"$work/apt/archives" >"$work/apt/sources.list"
    [ -s "$work/apt/sources.list" ] || die "apt knows no Debian archive here"
    private_apt update
}

unpack_packages() { # TARGET PACKAGE...
    local target=$1 file
    shift
    rm -rf "$work/debs"
    mkdir -p "$work/debs" "$target"
    (cd "$work/debs" && private_apt download "$@")
    for file in "$work/debs"/*.deb; do dpkg-deb -x "$file" "$target"; done
    rm -rf "$work/debs"
}

# unpack_source: the tree goes to where a GOPATH wants it; modules refuse its vendor folder.
unpack_source() {
    local archive
    (cd "$work" && private_apt --download-only source kubernetes)
    archive=$(find "$work" -maxdepth 1 -name "kubernetes_*$kubernetes_version.orig.tar.*" ! -name '*.asc')
    [ -n "$archive" ] || { echo "Debian's source here is not $kubernetes_version: $(cd "$work" && ls)"; return 1; }
    mkdir -p "$source_tree"
    tar -xf "$archive" --strip-components=1 -C "$source_tree"
    rm -f "$work"/kubernetes_*
}

# mend_source: the vendored code that this Go is too new for. Both places are only reached by custom resources.
mend_source() {
    local copy=$work/golang/usr/share/gocode/src/$reflect2
    local types=$source_tree/vendor/k8s.io/kube-openapi/pkg/validation/validate/type.go
    # With the older one, the first custom resource that is written ends the API server. The file asked for is the one
    # that a copy has which knows this Go.
    [ -e "$copy/go_above_118.go" ] || { echo "Debian's $reflect2_package here is older than 1.0.2"; return 1; }
    rm -rf "${source_tree:?}/vendor/$reflect2"
    cp -r "$copy" "$source_tree/vendor/$reflect2"
    # Null was told from "" by where the runtime keeps zeros: since Go 1.16 both are there, and "" was no string.
    sed -i 's/if data == nil || reflect\.DeepEqual(.*) {$/if data == nil {/' "$types"
    [ "$(grep -c 'if data == nil {$' "$types")" -eq 1 ] || { echo "not as expected: $types"; return 1; }
}

go_here() {
    (cd "$source_tree" && env GO111MODULE=off GOPATH="$work/go" GOCACHE="$work/go-cache" GOFLAGS= GOROOT="$goroot" \
        CGO_ENABLED=0 "$goroot/bin/go" "$@")
}

# generate_openapi: the one generated file that the release tarball lacks and that the API server needs.
generate_openapi() {
    local folder inputs=''
    while read -r folder; do
        inputs+="${inputs:+,}k8s.io/kubernetes/${folder/#staging\/src\//vendor/}"
    done < <(cd "$source_tree" && grep -rl --include='*.go' '^// +k8s:openapi-gen=' pkg cmd \
        staging/src/k8s.io/{api,apimachinery,apiserver,apiextensions-apiserver,kube-aggregator,client-go} \
        staging/src/k8s.io/{component-base,metrics,kube-proxy,kubelet,kube-scheduler,kube-controller-manager} \
        staging/src/k8s.io/cloud-provider | xargs -n 1 dirname | sort -u)
    go_here build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    (cd "$source_tree" && env GO111MODULE=off GOPATH="$work/go" GOCACHE="$work/go-cache" GOROOT="$goroot" \
        PATH="$goroot/bin:$PATH" "$work/openapi-gen" -i "$inputs" -p k8s.io/kubernetes/pkg/generated/openapi \
        -O zz_generated.openapi -h hack/boilerplate/boilerplate.generatego.txt -r /dev/null)
}

compile() {
    local name package flags='-s -w'
    # Each of the two is asked by somebody.
    for package in component-base/version client-go/pkg/version; do
        package=k8s.io/kubernetes/vendor/k8s.io/$package
        flags+=" -X $package.gitVersion=v$kubernetes_version -X $package.gitMajor=1"
        flags+=" -X $package.gitMinor=$(cut -d. -f2 <<<"$kubernetes_version")"
    done
    for name in "${commands[@]}"; do
        go_here build -trimpath -ldflags "$flags" -o "$result/bin/$name" "./cmd/$name"
    done
    go_here build -trimpath -ldflags '-s -w' -o "$result/bin/agnhost" ./test/images/agnhost
}

collect() {
    local root=$work/packages
    cp "$root"/usr/bin/{etcd,containerd,containerd-shim-runc-v2,ctr,kubectl} "$result/bin/"
    cp "$root"/usr/sbin/runc "$root"/bin/busybox "$result/bin/"
    mkdir -p "$result/cni"
    cp "$root"/usr/lib/cni/* "$result/cni/"
}

# step WHAT COMMAND...: says how long it took; its output is shown only if it fails.
code=1
step() {
    local what=$1 began=$SECONDS
    shift
    printf '   %-44s' "$what"
    # Not in a condition: the functions rely on being left at the first error.
    trap 'echo " failed"; tail -n 30 "$log" | quote; exit "$code"' EXIT
    (
        set -euo pipefail
        "$@"
    ) >>"$log" 2>&1 </dev/null
    trap - EXIT
    printf ' %4d s\n' $((SECONDS - began))
}

build() {
    # Whatever an earlier call left when it was killed; the lock says that nobody works there.
    rm -rf "$cache".tmp.*
    work=$(mktemp -d "$cache.tmp.XXXXXX")
    log=$work/log result=$work/result
    source_tree=$work/go/src/k8s.io/kubernetes goroot=$work/golang/usr/lib/go-${go_package#golang-}
    mkdir -p "$result/bin"
    echo "Kubernetes $kubernetes_version is built, once, into $cache (log: $log)"
    "$here/../deps.sh" "${system_packages[@]}"
    code=3
    step "lists of packages" prepare_apt
    step "Debian's packages" unpack_packages "$work/packages" "${unpacked_packages[@]}"
    step "Go" unpack_packages "$work/golang" "$go_package-go" "$go_package-src" "$reflect2_package"
    step "the source" unpack_source
    code=1
    step "what this Go is too new for" mend_source
    step "its generated file" generate_openapi
    step "the programs" compile
    step "the rest" collect
    mv "$result" "$cache"
    # Go makes its caches read-only.
    chmod -R u+w "$work"
    rm -rf "$work"
}

if [ ! -d "$cache" ]; then
    mkdir -p "$(dirname "$cache")"
    exec 9>"$cache.lock"
    flock 9
    [ -d "$cache" ] || build >&2
    exec 9>&-
else
    "$here/../deps.sh" "${system_packages[@]}" >&2
fi
[ "${1:-}" != --path ] || echo "$cache"
