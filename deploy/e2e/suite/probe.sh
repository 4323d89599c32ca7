# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Who asks whom, and what is expected of it. Everybody has a name: a pod its own,
# host1 the programs of node1 itself, world what is outside, api the API server.
# Pods and hosts answer on port 7000 and 7001, the world on 7000.
#
#   place[name]     pod NAMESPACE NAME | node NODE | world    from where it asks
#   address4[name], address6[name]                            where it is asked

probe_image=localhost/probe:lab
declare -A place address4 address6

# build_probe: the program, into the cache, which every node sees; again only when its source has changed.
build_probe() {
    local source=$e2e/probe version
    version=$(cat "$source"/*.[ch] "$e2e/../image/pack.sh" | sha256sum | cut -c1-12)
    probe=$cache/probe-$version/probe
    [ ! -e "$cache/probe-$version" ] || return 0
    rm -rf "$cache"/probe-*
    mkdir -p "$cache/.probe"
    "${CC:-$(command -v cc clang | head -n 1)}" -std=gnu11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -static \
        -o "$cache/.probe/probe" "$source"/*.c
    mkdir -p "$cache/.probe/root/tmp"
    cp "$cache/.probe/probe" "$cache/.probe/root/probe"
    make_image "$probe_image" "$cache/.probe/root" "$cache/.probe/image.tar" /probe
    rm -rf "$cache/.probe/root"
    mv "$cache/.probe" "$cache/probe-$version"
}

# start_outside: what the world answers with.
start_outside() {
    process_define outside nsenter --net="$(netns_path world)" -- "$probe" serve 7000
    process_start outside
    place[world]="world" address4[world]=$outside4 address6[world]=$outside6
}

# probe_pod NAMESPACE NAME NODE LABELS [SPEC]: answers on 7000, a port named "echo", and on 7001.
probe_pod() {
    cat <<END
apiVersion: v1
kind: Pod
metadata: {namespace: $1, name: $2, labels: {suite: e2e, $4}}
spec:
  nodeName: $3
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]
  ${5:-}
  containers:
  - name: echo
    image: $probe_image
    imagePullPolicy: Never
    args: [serve, "7000"]
    ports: [{name: echo, containerPort: 7000}]
    readinessProbe: {tcpSocket: {port: 7000}, periodSeconds: 1}
  - name: other
    image: $probe_image
    imagePullPolicy: Never
    args: [serve, "7001"]
---
END
}

# learn_pods: names, places and addresses of all of them. A pod on the network of its node is host<number>.
learn_pods() {
    local namespace name node on_host addresses fields='{range .items[*]}{.metadata.namespace}|{.metadata.name}|'
    fields+='{.spec.nodeName}|{.spec.hostNetwork}|{.status.podIPs[*].ip}{"\n"}{end}'
    while IFS='|' read -r namespace name node on_host addresses; do
        if [ "$on_host" = true ]; then
            place[host${node#node}]="node $node"
            address4[host${node#node}]=$(node_address4 "$node") address6[host${node#node}]=$(node_address6 "$node")
        else
            place[$name]="pod $namespace $name" address4[$name]=${addresses% *} address6[$name]=${addresses#* }
        fi
    done < <(kubectl get pods -A -l suite=e2e -o "jsonpath=$fields")
}

# pods_are_ready NAMESPACE...: all that the suite has there, and there are some.
pods_are_ready() {
    local namespace states field='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}'
    for namespace; do
        # Before a pod has any condition, this is an error.
        states=$(kubectl -n "$namespace" get pods -l suite=e2e -o "jsonpath=$field" 2>/dev/null) || return 1
        [ -n "$states" ] && ! grep -qvx True <<<"$states" || return 1
    done
}

# ask NAME TIMEOUT-MS: lines of questions, see probe/ask.c.
ask() {
    local kind namespace pod
    read -r kind namespace pod <<<"${place[$1]}"
    case $kind in
        pod) kubectl -n "$namespace" exec -i "$pod" -c echo -- /probe ask "$2" 2>&1 || true ;;
        node) on_node "$namespace" "$probe" ask "$2" 2>&1 || true ;;
        world) in_network world "$probe" ask "$2" 2>&1 || true ;;
    esac
}

# asked TIMEOUT-MS: reads "FROM TO PROTOCOL PORT SIZE VERDICT" (yes or no), asks all of it by both families at once, and
# prints what is not as expected; fails if anything is not. An address instead of a name of TO has its one family.
asked() {
    local from to protocol port size verdict family address work file bad=0 result rest
    local -a asking=()
    work=$(mktemp -d "$run/ask.XXXXXX")
    while read -r from to protocol port size verdict; do
        for family in 4 6; do
            if [ "$family" = 4 ]; then address=${address4[$to]:-}; else address=${address6[$to]:-}; fi
            case $to in
                *:*) [ "$family" = 6 ] || continue; address=$to ;;
                *.*) [ "$family" = 4 ] || continue; address=$to ;;
            esac
            [ -n "$address" ] || { echo "nobody is named $to"; bad=1; continue; }
            echo "$protocol $address $port $size" >>"$work/$from.lines"
            echo "$verdict $to" >>"$work/$from.verdicts"
        done
    done
    [ "$bad" -eq 0 ] || { rm -rf "$work"; return 1; }
    for file in "$work"/*.lines; do
        from=${file##*/} from=${from%.lines}
        [ -n "${place[$from]:-}" ] || { echo "nobody is named $from"; bad=1; continue; }
        : >"$work/$from.results"
        ask "$from" "$1" <"$file" >"$work/$from.results" &
        asking+=($!)
    done
    # Not for all children: the world's server is one.
    [ "${#asking[@]}" -eq 0 ] || wait "${asking[@]}"
    for file in "$work"/*.lines; do
        from=${file##*/} from=${from%.lines}
        [ "$(wc -l <"$file")" -eq "$(wc -l <"$work/$from.results")" ] ||
            { echo "$from could not ask: $(head -c 300 "$work/$from.results")"; bad=1; continue; }
        while read -r verdict to protocol address port size result rest; do
            case $verdict-$result in
                yes-ok | no-timeout | no-refused | no-unreachable) ;;
                *)
                    echo "$from -> $to ($protocol $address $port, $size bytes): $result after $rest ms, not $verdict"
                    bad=1
                    ;;
            esac
        done < <(paste -d ' ' "$work/$from.verdicts" "$work/$from.results")
    done
    rm -rf "$work"
    return $bad
}

# expect WHAT [SECONDS]: the lines that `asked` reads become true within so many seconds, all at once. Whoever gives no
# policy (a plain bridge) is asked for the allowed ones only.
expect() {
    local what=$1 seconds=${2:-40} lines allowed refused deadline wrong timeout=3000
    lines=$(grep -v '^ *$' || true)
    allowed=$(grep -c ' yes$' <<<"$lines" || true) refused=$(grep -c ' no$' <<<"$lines" || true)
    if ! has_policy && [ "$refused" -gt 0 ]; then
        lines=$(grep ' yes$' <<<"$lines" || true)
        skipped=$((skipped + refused))
    fi
    [ "$refused" -eq 0 ] || timeout=1200
    [ -n "$lines" ] || return 0
    deadline=$(($(milliseconds) + seconds * 1000))
    until wrong=$(asked "$timeout" <<<"$lines"); do
        [[ $wrong != *"nobody is named"* ]] && [ "$(milliseconds)" -lt "$deadline" ] || break
    done
    check "$what ($allowed allowed, $refused refused, by both families)" test -z "$wrong"
    [ -z "$wrong" ] || head -n 12 <<<"$wrong" | quote
}
