#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the checks can fail: lays out a tree that breaks every rule and
# expects each breach to be named, and a clean one that must pass.
#
# usage: selftest.sh CHECK-IMPORTS-BINARY
set -eu
check_imports=$1
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/Sources/Low" "$tree/Sources/High" "$tree/Tests/HighTests" "$tree/bpf"

# package LOW-DEPENDENCIES HIGH-DEPENDENCIES
package() {
    cat >"$tree/package.json" <<END
{"targets": [
  {"name": "Low", "type": "regular", "dependencies": [$1]},
  {"name": "High", "type": "regular", "dependencies": [$2]},
  {"name": "HighTests", "type": "test", "dependencies": [{"byName": ["High", null]}]}
]}
END
}

# swift_file FILE TEXT: a Swift file with its licence line.
swift_file() { printf '// SPDX-License-Identifier: Apache-2.0\n%b' "$2" >"$tree/$1"; }

# long FILE LINES: a file of that length, with the licence of its place.
long() {
    case $1 in
    bpf/*) echo '/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */' ;;
    *) echo '// SPDX-License-Identifier: Apache-2.0' ;;
    esac >"$tree/$1"
    yes '' | head -n "$2" >>"$tree/$1"
}

imports() { "$check_imports" "$tree/package.json" "$tree/layers.txt" "$tree"; }

failed() {
    echo "the checks' own test failed: $1" >&2
    exit 1
}

# refuses TEXT COMMAND...: the command must exit 1 and print the text.
refuses() {
    text=$1
    shift
    status=0
    output=$("$@" 2>/dev/null) || status=$?
    [ "$status" -eq 1 ] || failed "exit $status from: $* (should refuse: $text)"
    case $output in *"$text"*) ;; *) failed "'$text' is missing from: $output" ;; esac
}

passes() { "$@" >/dev/null 2>&1 || failed "exit $? from: $* (should pass)"; }

# A clean tree.
printf 'Low  # comment\nHigh Low Logging Glibc\n' >"$tree/layers.txt"
swift_file Sources/Low/Low.swift ''
swift_file Sources/High/High.swift \
    '@preconcurrency package import struct Low.Thing\n#if os(Linux)\n    import Glibc\n#endif\n'
swift_file Tests/HighTests/HighTests.swift '@testable import High\nimport Testing\n'
package '' '{"byName": ["Low", null]}'
passes imports
passes "$here/check-size.sh" "$tree"
passes "$here/check-headers.sh" "$tree"

# Imports.
swift_file Sources/Low/Low.swift 'import Foundation\nimport High\n'
refuses 'Sources/Low/Low.swift:2: Low may not import Foundation' imports
refuses 'Sources/Low/Low.swift:3: Low may not import High' imports
swift_file Sources/Low/Low.swift ''
package '' ''
refuses 'Sources/High/High.swift:2: High imports Low without declaring it' imports
package '' '{"byName": ["Low", null]}, {"product": ["Logging", "swift-log", null, null]}'
refuses 'High declares Logging and never imports it' imports
package '{"target": ["High", null]}' '{"byName": ["Low", null]}'
refuses 'Low declares High, which its layer may not import' imports
package '' '{"byName": ["Low", null]}'
swift_file Tests/HighTests/HighTests.swift 'import High\nimport Low\n'
refuses 'HighTests imports Low without declaring it' imports
swift_file Tests/HighTests/HighTests.swift 'import High\n'
printf 'High Low Logging Glibc\nLow\n' >"$tree/layers.txt"
refuses 'High may import Low, which stands below it' imports
printf 'Low\nGone\n' >"$tree/layers.txt"
refuses 'no row for High' imports
refuses 'no target is named Gone' imports

# Sizes.
for case in Sources/Low/Big.swift:801 Tests/HighTests/BigTests.swift:601 bpf/big.h:351 bpf/big.bpf.c:251; do
    file=${case%:*} lines=${case#*:}
    long "$file" $((lines - 2))
    passes "$here/check-size.sh" "$tree"
    long "$file" $((lines - 1))
    refuses "$file: $lines lines" "$here/check-size.sh" "$tree"
    rm "$tree/$file"
done

# Licence lines.
echo '// SPDX-License-Identifier: Apache-2.0' >"$tree/bpf/one.h"
refuses "bpf/one.h: no line" "$here/check-headers.sh" "$tree"
echo '/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */' >"$tree/bpf/one.h"
passes "$here/check-headers.sh" "$tree"
echo '// nothing' >"$tree/Sources/Low/Bare.swift"
refuses "Sources/Low/Bare.swift: no line" "$here/check-headers.sh" "$tree"
