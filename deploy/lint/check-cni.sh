#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The CNI binary is started for every pod: it links nothing that costs start-up
# time. Looks at the unstripped binary's libraries and symbols.
#
# usage: check-cni.sh BINARY
set -eu
binary=$1
status=0

# Libraries that the loader has to find: none for a static program, else the C library's and what comes with it.
libraries=$(ldd "$binary" 2>/dev/null | awk '{ print $1 }' |
    grep -Ev '^(linux-vdso|/.*/ld-linux|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+)\.so)' || true)
if [ -n "$libraries" ]; then
    echo "$binary needs libraries that it should not:" "$libraries"
    status=1
fi

# Mangled Swift names carry their module's name behind its length.
symbols=$(nm "$binary" | awk '{ print $NF }')
if [ -z "$symbols" ]; then
    echo "$binary has no symbols to look at"
    exit 2
fi
for module in NIOCore NIOPosix Hummingbird ArgumentParser Logging ServiceLifecycle AgentAPI \
    Foundation FoundationEssentials FoundationInternationalization _FoundationCollections; do
    if echo "$symbols" | grep -Eq "^[$]s(.*[^0-9])?${#module}$module"; then
        echo "$binary links symbols of the module $module"
        status=1
    fi
done
if echo "$symbols" | grep -Eq '^(uloc|ucal|ubrk|udat)_[a-z]+'; then
    echo "$binary links ICU"
    status=1
fi
exit $status
