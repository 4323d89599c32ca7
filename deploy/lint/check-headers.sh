#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every source file says its licence in one of its first three lines.
#
# usage: check-headers.sh [root]
set -eu
cd "${1:-.}"

# lacking LICENCE: reads file names, prints those that do not carry it.
lacking() {
    while IFS= read -r file; do
        head -n 3 "$file" | grep -Eq "SPDX-License-Identifier: $1( \*/)?\$" ||
            echo "$file: no line 'SPDX-License-Identifier: $1'"
    done
}

found=$(
    find bpf -type f \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort | lacking 'GPL-2.0-only OR BSD-2-Clause'
    {
        find Sources Tests deploy -type f \
            \( -name '*.swift' -o -name '*.c' -o -name '*.h' -o -name '*.sh' \) 2>/dev/null
        for file in Package.swift Makefile .ci/run; do [ ! -f "$file" ] || echo "$file"; done
    } | sort | lacking 'Apache-2.0'
)
[ -z "$found" ] || { echo "$found"; exit 1; }
