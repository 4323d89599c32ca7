#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the built test suites, shows each test's end, and says at the close what
# was skipped and why. The whole output goes to the log.
#
# The suites that hold their threads, because they work in network namespaces,
# run by themselves: beside others they would keep those from their deadlines.
# So do those of agents, and of what talks to an API server of its own: they have
# deadlines, and the compiler's tests leave them no processor.
#
# usage: test.sh LOG [arguments of swift test]
set -euo pipefail
log=$1
shift
[ "$(id -u)" -eq 0 ] || echo "test: not root, so everything that needs the kernel is skipped" >&2

# Starts are left out: a parameterised test has one for each of its arguments.
shown='^[^ ]+ (Test|Suite) .*started\.$|^[^ ]+ Test case passing '
[ "${V:-0}" = 0 ] || shown='^$'

: >"$log"
status=0
run() {
    swift test --skip-build --disable-xctest "$@" 2>&1 </dev/null | tee -a "$log" |
        grep --line-buffered -vE "$shown" || status=$?
}
if [ $# -gt 0 ]; then
    run "$@"
else
    run --skip '^(AgentCoreTests|KubeClientTests|ClusterSyncTests|ClusterScopeTests|OperatorCoreTests|DatapathTests|NetnsTests)\.'
    run --filter '^AgentCoreTests\.'
    run --filter '^(KubeClientTests|ClusterSyncTests|ClusterScopeTests)\.'
    run --filter '^OperatorCoreTests\.'
    run --filter '^DatapathTests\.'
    run --filter '^NetnsTests\.'
fi

count() { grep -cE "$1" "$log" || true; }
passed=$(count '^[^ ]+ Test .* passed after ')
passed=$((passed - $(count '^[^ ]+ Test run with .* passed after ')))
failed=$(count '^[^ ]+ Test .* failed after ')
failed=$((failed - $(count '^[^ ]+ Test run with .* failed after ')))
# A test that finds out by itself that something is missing cancels itself.
skipped=$(count '^[^ ]+ Test .* (skipped|was cancelled)')

if [ "$skipped" -gt 0 ]; then
    echo
    echo "Skipped, by reason:"
    sed -nE 's/^[^ ]+ Test .* (skipped|was cancelled[^:]*)(: "(.*)")?.*$/\3/p' "$log" | sort | uniq -c | sort -rn
fi
grep -E '^[^ ]+ Test run with ' "$log" || true
echo "$passed passed, $failed failed, $skipped skipped"
if [ "$status" -eq 0 ] && [ "$passed" -eq 0 ]; then
    echo "test: no test ran" >&2
    exit 1
fi
exit "$status"
