#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Skein on a real Kubernetes, end to end: for each way of routing a lab of three
# nodes is started, Skein is installed as an operator does it, topics are gone
# through, Skein is taken off again, and nothing is left.
#
# usage: suite.sh [--network skein|bridge] [--mode tunnel,native] [TOPIC...]
#
#   topics: reachability policies many disruptions wrong; all of them if none is named
#   --network bridge: the lab's plain bridge instead, which knows no policy: what is to be refused is not asked.
#                     It shows that the suite itself works.
#   KEEP=1 leaves the lab of the last mode running (cluster.sh down ends it); after a failure, state and logs are in
#   $SKEIN_E2E_OUT (build/e2e).
#   INSTALLED=1 takes the lab and the network that are up, for a topic while you write it; it leaves them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=lib/process.sh
. "$here/lib/process.sh"
# shellcheck source=lib/network.sh
. "$here/lib/network.sh"
# shellcheck source=lib/cgroup.sh
. "$here/lib/cgroup.sh"
# shellcheck source=lib/node.sh
. "$here/lib/node.sh"
# shellcheck source=lib/images.sh
. "$here/lib/images.sh"
# shellcheck source=lib/clean.sh
. "$here/lib/clean.sh"
# shellcheck source=lib/bridge.sh
. "$here/lib/bridge.sh"
# shellcheck source=suite/network.sh
. "$here/suite/network.sh"
# shellcheck source=suite/probe.sh
. "$here/suite/probe.sh"
# shellcheck source=suite/load.sh
. "$here/suite/load.sh"
# shellcheck source=suite/evidence.sh
. "$here/suite/evidence.sh"
# shellcheck source=suite/reachability.sh
. "$here/suite/reachability.sh"
# shellcheck source=suite/policies.sh
. "$here/suite/policies.sh"
# shellcheck source=suite/many.sh
. "$here/suite/many.sh"
# shellcheck source=suite/disruptions.sh
. "$here/suite/disruptions.sh"
# shellcheck source=suite/wrong.sh
. "$here/suite/wrong.sh"

network=skein mode=tunnel modes=tunnel,native skipped=0
out=${SKEIN_E2E_OUT:-$here/../../build/e2e}
all_topics=(reachability policies many disruptions wrong)
topics=()

usage() { sed -n '/^# usage/,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
while [ $# -gt 0 ]; do
    case $1 in
        --network | --mode)
            [ $# -gt 1 ] || usage
            case $1 in --network) network=$2 ;; --mode) modes=$2 ;; esac
            shift 2
            ;;
        -*) usage ;;
        *)
            [[ " ${all_topics[*]} " == *" $1 "* ]] || die "no topic $1; there are: ${all_topics[*]}"
            topics+=("$1")
            shift
            ;;
    esac
done
[[ $network =~ ^(skein|bridge)$ ]] || usage
[[ $modes =~ ^(tunnel|native)(,(tunnel|native))?$ ]] || usage
[ "$network" = skein ] || modes=bridge
[ "${#topics[@]}" -gt 0 ] || topics=("${all_topics[@]}")
need_root
[ "$network" = bridge ] || [ -f "$skein_image_file" ] || die "no image $skein_image_file: make image"

table=$(mktemp) began_all=$SECONDS
# keep_or_end: whatever happened. Evidence first.
keep_or_end() {
    local status=$?
    trap - EXIT
    if [ "$status" -ne 0 ] && [ -e "$run/up" ]; then
        collect "$out/$mode-ended" || true
        say "it ended early; state and logs: $out/$mode-ended" >&2
    fi
    [ -n "${KEEP:-}${INSTALLED:-}" ] || [ ! -d "$run" ] || "$here/cluster.sh" down || status=1
    rm -f "$table"
    exit "$status"
}
trap keep_or_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

nothing_left() { [ -z "$(leftovers)" ] || { leftovers | quote; return 1; }; }

# counted NAME COMMAND...: a row of the summary; collects evidence when a check of it failed.
counted() {
    local name=$1 checks_before=$checks failures_before=$failures skipped_before=$skipped began=$SECONDS
    shift
    "$@"
    printf '%s|%s|%d|%d|%d|%d s\n' "$mode" "$name" $((checks - checks_before)) $((failures - failures_before)) \
        $((skipped - skipped_before)) $((SECONDS - began)) >>"$table"
    [ "$failures" -eq "$failures_before" ] || {
        collect "$out/$mode-$name"
        say "state and logs: $out/$mode-$name"
    }
}

lab_up() {
    heading "A control plane and three nodes ($mode)"
    "$here/cluster.sh" up 3
}
lab_down() {
    heading "The end ($mode)"
    network_down
    "$here/cluster.sh" down
    check "no process, namespace, mount, link or control group is left" nothing_left
}

build_probe_first() {
    "$here/../deps.sh" jq >&2
    "$here/build-kubernetes.sh"
    build_probe
}
build_probe_first
rm -rf "$out"
for mode in ${modes//,/ }; do
    place=() address4=() address6=()
    [ -n "${INSTALLED:-}" ] || lab_up
    mapfile -t names < <(node_names)
    load_image "$(dirname "$probe")/image.tar" "${names[@]}"
    start_outside
    [ -n "${INSTALLED:-}" ] || counted install network_up
    for topic in "${topics[@]}"; do counted "$topic" "topic_$topic"; done
    [ -n "${INSTALLED:-}" ] || [ "$mode${KEEP:+k}" = "${modes##*,}k" ] || counted end lab_down
done

heading "Summary"
{ echo 'mode|topic|checks|failed|not asked|time'; cat "$table"; } | column -t -s '|' | quote
printf '\n%s%d of %d checks as expected, in %d s%s%s\n' "$bold" $((checks - failures)) "$checks" \
    $((SECONDS - began_all)) "$([ "$skipped" -eq 0 ] || echo "; $skipped refusals were not asked of a bridge")" "$plain"
[ "$failures" -eq 0 ]
