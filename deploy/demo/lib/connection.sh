#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs inside a namespace: opens one TCP connection and keeps it. For each line
# that it reads it sends the line through the connection, waits for its echo,
# and prints "alive" or, when none comes, "silent".
#
# usage: connection.sh ADDRESS PORT
set -u
exec 3<>"/dev/tcp/$1/$2" || exit 1
read -r -u 3 _ # the server's name
echo open
while read -r line; do
    state=silent
    if echo "$line" >&3; then
        # Echoes of earlier lines may come late: they are not this one's.
        while read -r -t 2 -u 3 answer; do
            [ "$answer" != "$line" ] || { state=alive; break; }
        done
    fi
    echo "$state"
done
