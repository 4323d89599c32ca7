# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Connectivity: everybody to everybody by every kind of probe, beside what was
# expected. A cell holds one character for each kind, "." where no answer came.

kinds=(8 9 u p 6)
declare -A seen=() expected=()

# probe FROM SECONDS: reads "KIND NAME ADDRESS" lines, prints "NAME KIND" of those that answer in time.
probe() { inside "$1" timeout "$2" bash "$here/lib/probe.sh" || true; }

address_for() { # KIND NAME
    if [ "$1" = 6 ]; then echo "${address6[$2]}"; else echo "${address4[$2]}"; fi
}

reaches() { # FROM TO KIND [SECONDS]
    [ -n "$(echo "$3 $2 $(address_for "$3" "$2")" | probe "$1" "${4:-2}")" ]
}
reaches_not() { ! reaches "$1" "$2" "$3" 0.5; }

# read_expected FILE: fills expected[from,to]; sets names, in the file's order.
read_expected() {
    local -a row
    local from index
    expected=()
    read -r -a names <"$1"
    names=("${names[@]:1}")
    while read -r -a row; do
        from=${row[0]}
        for index in "${!names[@]}"; do expected[$from,${names[$index]}]=${row[$((index + 1))]}; done
    done < <(tail -n +2 "$1")
}

# measure ROUND SECONDS: probes all pairs at once; in rounds after the first only what should have answered and did not.
measure() {
    local from to index kind
    for from in "${names[@]}"; do
        for to in "${names[@]}"; do
            [ "${expected[$from,$to]}" != ----- ] || continue
            for index in "${!kinds[@]}"; do
                kind=${kinds[$index]}
                [ "$1" -eq 1 ] || is_missing "$from,$to" "$index" || continue
                echo "$kind $to $(address_for "$kind" "$to")"
            done
        done >"$run/net/wanted-$from"
        [ -s "$run/net/wanted-$from" ] || continue
        probe "$from" "$2" <"$run/net/wanted-$from" >"$run/net/answered-$from" &
        probing+=("$!:$from")
    done
}

# is_missing FROM,TO INDEX: the kind of that index should have answered, and has not.
is_missing() { [ "${expected[$1]:$2:1}" != . ] && [[ ${seen[$1]} != *${kinds[$2]}* ]]; }

collect() {
    local entry from to kind
    for entry in "${probing[@]}"; do
        wait "${entry%%:*}"
        from=${entry#*:}
        while read -r to kind; do seen[$from,$to]+=$kind; done <"$run/net/answered-$from"
    done
}

# cell FROM TO: the kinds that answered, each at its place.
cell() {
    local kind text=''
    [ "${expected[$1,$2]}" != ----- ] || { echo -----; return; }
    for kind in "${kinds[@]}"; do
        if [[ ${seen[$1,$2]:-} == *$kind* ]]; then text+=$kind; else text+=.; fi
    done
    echo "$text"
}

# matrix FILE: measures, and prints what was seen beside what the file expects. A packet that passes where none should
# is an error at once; where one should pass, a busy machine gets two more rounds of patience.
matrix() {
    local round from to
    local -a probing
    read_expected "$1"
    seen=()
    for from in "${names[@]}"; do for to in "${names[@]}"; do seen[$from,$to]=''; done; done
    for round in 1 2 3; do
        probing=()
        measure "$round" $((round + 1))
        [ ${#probing[@]} -gt 0 ] || break
        collect
    done
    print_matrix
}

print_matrix() {
    local from to mark got line wanted
    printf '   %s%-6s' "$dim" from
    for to in "${names[@]}"; do printf ' %-5s' "$to"; done
    printf '    expected:%s\n' "$plain"
    for from in "${names[@]}"; do
        mark=$yes_mark line='' wanted=''
        for to in "${names[@]}"; do
            got=$(cell "$from" "$to")
            wanted+=" ${expected[$from,$to]}"
            [ "$got" = ----- ] || checks=$((checks + ${#kinds[@]}))
            if [ "$got" = "${expected[$from,$to]}" ]; then
                line+=" $got"
            else
                line+=" $red$got$plain" mark=$no_mark
                failures=$((failures + $(differences "$got" "${expected[$from,$to]}")))
            fi
        done
        printf '   %-6s%s   %s %s%s%s\n' "$from" "$line" "$mark" "$dim" "$wanted" "$plain"
    done
}

differences() {
    local index count=0
    for ((index = 0; index < ${#1}; index++)); do
        [ "${1:index:1}" = "${2:index:1}" ] || count=$((count + 1))
    done
    echo "$count"
}

# explains FROM TO PORT: "allowed" or "refused", as `skein policy explain` says. Refused if any of its steps is.
explains() {
    local reply
    reply=$(skein policy explain "$1" "$2" "$3" -o json | tr -d ' \n') || return 1
    case $reply in
    *'"allowed":false'*) echo refused ;;
    *'"allowed":true'*) echo allowed ;;
    esac
}

# explain_matrix: compares the words of `skein policy explain` with the packets of the last matrix, probe by probe.
explain_matrix() {
    local from to kind seen_so
    local -A ports=([8]=8080/tcp [9]=9090/tcp [u]=5353/udp [p]=icmp)
    asked=0 agreed=0
    for from in "${names[@]}"; do
        for to in "${names[@]}"; do
            [ "${expected[$from,$to]}" != ----- ] || continue
            for kind in "${!ports[@]}"; do
                seen_so=refused
                [[ ${seen[$from,$to]} != *$kind* ]] || seen_so=allowed
                asked=$((asked + 1))
                if [ "$(explains "${explained[$from]}" "${explained[$to]}" "${ports[$kind]}")" = "$seen_so" ]; then
                    agreed=$((agreed + 1))
                elif [ $((asked - agreed)) -le 10 ]; then
                    say "$no_mark $from to $to, ${ports[$kind]}: the packet was $seen_so, explain says otherwise"
                fi
            done
        done
    done
    [ "$agreed" -eq "$asked" ]
}
