# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The demo's chapters, in their order.

show_start() {
    local pod
    make_node
    cp "$here"/manifests/{10-namespaces,20-pods}.yaml "$run/manifests/"
    start_agent
    say "agent ready, pid $agent, watching $run/manifests"
    for pod in "${pods[@]}"; do add_pod "$pod"; done
    check "the plugin's STATUS says that it is ready, and CHECK finds each pod as it should be" each_pod STATUS CHECK
    check "a second ADD of the same pod is refused, and changes nothing" refused_again web
}

each_pod() { # COMMAND...
    local pod command
    for command; do
        for pod in "${pods[@]}"; do
            cni "$command" "$pod" >"$run/logs/cni" 2>&1 || { quote <"$run/logs/cni"; return 1; }
        done
    done
}

refused_again() {
    local output
    ! output=$(mv "$run/net/result-$1" "$run/net/kept" && cni ADD "$1") && [[ $output == *"eth0 already"* ]] &&
        mv "$run/net/kept" "$run/net/result-$1" && cni CHECK "$1"
}

show_legend() {
    say "rows call columns.  8 TCP 8080   9 TCP 9090   u UDP 5353   p ping   6 TCP 8080 by IPv6   . no answer"
    echo
}

# publish FILE: puts a manifest into the watched folder in one step.
publish() {
    cp "$1" "$run/manifests/.incoming"
    mv "$run/manifests/.incoming" "$run/manifests/$(basename "$1")"
}

show_policies() {
    # In the node's namespace, so that it ends with whatever else lives there.
    nsenter --net="$(netns_path host)" -- "$bin/skein" monitor --drops --socket "$run/agent/agent.sock" \
        </dev/null >"$run/logs/monitor" 2>&1 &
    monitor=$!
    publish "$here/manifests/30-policies.yaml"
    check "they are in force" within 10 reaches_not web db 8
    skein policy list | quote
    echo
    matrix "$here/expected/policies.txt"
}

show_explain() {
    local question
    for question in "shop/web shop/api 8080/tcp" "dev/tool shop/db 8080/tcp" "ops/prom $node4 8080/tcp"; do
        say "${bold}skein policy explain $question${plain}"
        # shellcheck disable=SC2086 # three words
        skein policy explain $question | grep . | quote
    done
    check "explain and packets agree about every pair and port" explain_matrix
}

show_drops() {
    check "the drops have been reported" within 5 drops_reported
    # One line of each kind: the time and the caller's port left out of the comparison.
    awk '{ key = $0; sub(/^[^ ]+ /, "", key); sub(/:[0-9]+ ->/, " ->", key) }
        !seen[key]++ && ++shown <= 12' "$run/logs/monitor" | quote
}

drops_reported() { grep -q 'shop/db' "$run/logs/monitor"; }

# open_connection NAME FROM TO PORT: a TCP connection that stays; talk through it with `talks`.
open_connection() {
    local answer
    mkfifo "$run/net/$1.in" "$run/net/$1.out"
    nsenter --net="$(netns_path "$2")" -- bash "$here/lib/connection.sh" "${address4[$3]}" "$4" \
        <"$run/net/$1.in" >"$run/net/$1.out" 2>>"$run/logs/connections" &
    exec {connection_in}>"$run/net/$1.in" {connection_out}<"$run/net/$1.out"
    connections[$1]="$connection_in $connection_out"
    read -r -t 5 -u "$connection_out" answer && [ "$answer" = open ]
}
declare -A connections=()

# talks NAME: a line through the connection comes back.
talks() {
    local to from answer=''
    read -r to from <<<"${connections[$1]}"
    echo "line $((++lines_sent))" >&"$to"
    read -r -t 5 -u "$from" answer && [ "$answer" = alive ]
}
talks_not() { ! talks "$1"; }
both_talk() { talks doomed && talks lasting; }
lines_sent=0

edit_in_force() { reaches tool api 8 && reaches_not web tool 8; }

show_edit() {
    check "web has a connection to api:8080" open_connection doomed web api 8080
    check "prom has a connection to api:9090" open_connection lasting prom api 9090
    check "both carry data" both_talk
    sed 's/values: \[web\]/values: [tool]/' "$here/manifests/30-policies.yaml" >"$run/net/30-policies.yaml"
    diff -U 0 --label 30-policies.yaml --label 'edited' "$here/manifests/30-policies.yaml" "$run/net/30-policies.yaml" |
        quote || true
    say "and a policy more: 40-dev.yaml"
    publish "$run/net/30-policies.yaml"
    publish "$here/edits/40-dev.yaml"
    check "the edit is in force" within 10 edit_in_force
    check "web's open connection to api is cut" talks_not doomed
    check "prom's open connection to api lives on" talks lasting
    echo
    matrix "$here/expected/edited.txt"
}

show_broken() {
    publish "$here/edits/50-broken.yaml"
    check "skein status names the file, the line and the field" within 10 broken_is_named
    skein status | grep '50-broken.yaml' | quote || true
    check "the policy that it would have replaced is still in force" web_policy_in_force
    rm "$run/manifests/50-broken.yaml"
    check "without the file the error is gone" within 10 broken_is_forgotten
}

broken_is_named() { [[ $(skein status) =~ 50-broken\.yaml:[0-9]+:\ .*port ]]; }
broken_is_forgotten() { ! broken_is_named; }
web_policy_in_force() { reaches world web 8 && reaches_not world web 9; }

# publish_list: a deny list takes the place of the one before in one step.
publish_list() {
    printf '%s\n' "${@:2}" >"$run/denylists/.incoming"
    mv "$run/denylists/.incoming" "$run/denylists/$1"
}
scanner_reaches() { # NAME
    local answer='' caller
    exec {scanner_out}< <(exec nsenter --net="$(netns_path world)" -- \
        socat -u "TCP4:${address4[$1]}:8080,bind=$scanner4" - 2>/dev/null)
    caller=$!
    read -r -t 1 -u "$scanner_out" answer || true
    kill "$caller" 2>/dev/null || true
    exec {scanner_out}<&-
    [ "$answer" = "$1" ]
}
scanner_shut_out() { ! scanner_reaches web && ! scanner_reaches host; }
scanner_counted() { [[ $(skein denylist list) =~ scanners.*\ [1-9][0-9]*\ +[0-9.]+\ [KM]?i?B ]]; }

show_deny_list() {
    check "$scanner4, in the world, reaches web and the node" both_open_to_scanner
    publish_list scanners.list 192.0.2.64/26 2001:db8:77::66/128
    check "with 192.0.2.64/26 on a deny list it reaches neither" within 10 scanner_shut_out
    check "its neighbour $world4 still reaches web" reaches world web 8
    check "the list counts what it dropped" within 5 scanner_counted
    skein denylist list | quote
    rm "$run/denylists/scanners.list"
    check "without the list it reaches both again" within 10 both_open_to_scanner
}
both_open_to_scanner() { scanner_reaches web && scanner_reaches host; }

show_restart() {
    local began took output status=0
    kill -KILL "$agent"
    wait "$agent" 2>/dev/null || true
    say "killed (SIGKILL)"
    check "prom's open connection to api lives on without an agent" talks lasting
    check "a new connection that policy allows opens" reaches tool api 8
    check "one that policy refuses does not" reaches_not web api 8
    netns_add late
    began=$(milliseconds)
    output=$(cni ADD late 2>&1) || status=$?
    took=$(($(milliseconds) - began))
    say "ADD of one more pod: exit $status after $took ms"
    echo "$output" | quote
    check "it failed at once, and told the runtime to try again later" told_to_retry "$status" "$output" "$took"
    start_agent
    say "started again, pid $agent"
    check "prom's open connection to api lives on" talks lasting
    check "every pod is an endpoint again" within 5 endpoints_are "${#pods[@]}"
    echo
    matrix "$here/expected/edited.txt"
}

told_to_retry() { [ "$1" -ne 0 ] && [ "$3" -lt 1000 ] && [[ $2 =~ \"code\"\ *:\ *11[^0-9] ]]; }
endpoints_are() { [ "$(skein endpoint list -o json | grep -cE '"state" *: *"ready"')" -eq "$1" ]; }
no_pod_device() { [ -z "$(inside host ip -o link show type veth | grep -v ' up0@')" ]; }

show_end() {
    check "DEL of each pod succeeds" each_pod DEL
    check "and succeeds a second time" each_pod DEL
    check "no device of a pod is left on the node" no_pod_device
    check "no endpoint is left" endpoints_are 0
    kill "$monitor" 2>/dev/null || true
    kill -TERM "$agent"
    check "the agent stops when asked, within 5 s" agent_stops
    check "nothing is left of this run" run_clean "$run"
}

agent_stops() { within 5 ended "$agent" && wait "$agent"; }
ended() { ! kill -0 "$1" 2>/dev/null; }

show_how_to_look() {
    : >"$run/kept"
    heading "It stays up (KEEP=1)"
    cat <<END
   Policies and pods, watched: edit, add, remove
       $run/manifests
   Look
       $bin/skein --help
       $bin/skein status --socket $run/agent/agent.sock
       $bin/skein monitor --socket $run/agent/agent.sock
       ls $run/bpf; bpftool link show
       tail -f $run/logs/agent
   Be the node, or a pod (web api db prom tool)
       nsenter --net=$(netns_path host) -- ip route
       nsenter --net=$(netns_path host) -- ping -c 1 ${address4[web]}
       nsenter --net=$(netns_path tool) -- socat - TCP:${address4[api]}:8080,connect-timeout=2     (web may not, since the edit)
   End it
       make demo-stop
END
}
