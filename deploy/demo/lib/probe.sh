#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs inside a namespace. Reads lines "KIND NAME ADDRESS", tries all of them at
# once, and prints "NAME KIND" for each that answers as NAME. Ends when all
# have ended; the caller limits the time.
#
#   8, 9  TCP 8080, 9090    u  UDP 5353    p  ping    6  TCP 8080 by IPv6
set -u

try() {
    local kind=$1 name=$2 address=$3 answer=''
    case $kind in
    8 | 6) exec 3<>"/dev/tcp/$address/8080" && read -r -u 3 answer ;;
    9) exec 3<>"/dev/tcp/$address/9090" && read -r -u 3 answer ;;
    u)
        exec 3<>"/dev/udp/$address/5353" || return
        # A datagram may get lost, so ask more than once. It has to be read in one piece, which `read` does not.
        while [ -z "$answer" ]; do
            echo '?' >&3
            answer=$(timeout --foreground 0.5 dd bs=256 count=1 status=none <&3)
        done
        ;;
    p) ping -n -q -c 1 "$address" >/dev/null && answer=$name ;;
    esac
    [ "$answer" != "$name" ] || echo "$name $kind"
}

while read -r kind name address; do
    try "$kind" "$name" "$address" 2>/dev/null &
done
wait
