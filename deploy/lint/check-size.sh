#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Files stay short enough to hold one subject. Over a soft limit: a warning.
# Over a hard one: exit 1.
#
# usage: check-size.sh [root]
set -eu
cd "${1:-.}"

# limits SOFT HARD: reads file names, prints those over a limit.
limits() {
    while IFS= read -r file; do
        lines=$(wc -l <"$file")
        if [ "$lines" -gt "$2" ]; then
            echo "$file: $lines lines, at most $2"
        elif [ "$lines" -gt "$1" ]; then
            echo "$file: $lines lines, better under $1" >&2
        fi
    done
}

# in_folder FOLDER NAME-PATTERN...: names of files, nothing if there is no such folder.
in_folder() {
    [ ! -d "$1" ] || find "$@" -type f | sort
}

over=$(
    in_folder Sources -name '*.swift' | limits 500 800
    in_folder Tests -name '*.swift' | limits 600 600
    in_folder bpf -name '*.h' | limits 350 350
    in_folder bpf -name '*.bpf.c' | limits 250 250
    in_folder deploy \( -name '*.swift' -o -name '*.sh' \) | limits 400 400
)
[ -z "$over" ] || { echo "$over"; exit 1; }
