#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Policies at work: a node, five pods and the world outside, all of them network
# namespaces of this machine, wired by the real plugin and agent. Shows who
# reaches whom before, with and after a change of policies, each time beside
# what was expected. Exits 0 only if all of it was as it should be.
#
# KEEP=1 leaves everything running to look around; stop.sh ends it.
set -eEuo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
bin=${SKEIN_BIN_DIR:-$top/build/bin}
bpf_dir=${SKEIN_BPF_DIR:-$top/build/bpf}
# shellcheck source=lib/say.sh
. "$here/lib/say.sh"
# shellcheck source=lib/run.sh
. "$here/lib/run.sh"
# shellcheck source=lib/topology.sh
. "$here/lib/topology.sh"
# shellcheck source=lib/matrix.sh
. "$here/lib/matrix.sh"
# shellcheck source=lib/story.sh
. "$here/lib/story.sh"

[ "$(id -u)" -eq 0 ] || die "needs root: it makes network namespaces and loads kernel programs"
[ -x "$bin/skein-agent" ] || die "no programs in $bin: run 'make build' first"

finish() {
    local status=$?
    trap - EXIT INT TERM
    if [ -e "$run/kept" ]; then exit "$status"; fi
    [ -n "$done" ] || printf '\n%sdemo: ended early%s%s\n' "$red" "${stopped_at:+, at $stopped_at}" "$plain"
    if [ "$status" -ne 0 ] && [ -s "$run/logs/agent" ]; then
        echo
        say "the end of the agent's log:"
        tail -n 20 "$run/logs/agent" | quote
    fi
    run_clean "$run" || { echo "demo: could not clean up $run" >&2; status=1; }
    exit "$status"
}

began=$(milliseconds) done=
run_begin
trap finish EXIT
trap 'stopped_at="${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND"' ERR
trap 'exit 130' INT
trap 'exit 143' TERM

heading "A node, its agent, and five pods"
show_start
heading "Without any policy: everybody reaches everybody"
show_legend
matrix "$here/expected/open.txt"
heading "With the policies of deploy/demo/manifests/30-policies.yaml"
show_policies
heading "Why, without sending a packet: skein policy explain"
show_explain
heading "What was dropped, as skein monitor saw it"
show_drops
heading "The policies are edited while connections are open"
show_edit
heading "A document that can't be is refused, and nothing else changes"
show_broken
heading "A deny list at the device (XDP), before the stack sees a packet"
show_deny_list
heading "The agent is killed, and comes back"
show_restart
heading "skein status"
skein status | quote
if [ -n "${KEEP:-}" ]; then show_how_to_look; else
    heading "The pods are deleted, the agent stops"
    show_end
fi

printf '\n%s%d of %d checks as expected, in %d s.%s\n' "$bold" $((checks - failures)) "$checks" \
    $((($(milliseconds) - began + 500) / 1000)) "$plain"
done=1
[ "$failures" -eq 0 ]
