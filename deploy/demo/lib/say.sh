# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What a person reads: headings, remarks, and checks that are counted.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
    bold='' dim='' red='' green='' plain=''
fi
yes_mark="${green}✓${plain}" no_mark="${red}✗${plain}"
checks=0 failures=0

heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
say() { printf '   %s\n' "$*"; }
# Indents what it reads.
quote() { sed "s/^/   ${dim}|${plain} /"; }

die() {
    printf '%sdemo: %s%s\n' "$red" "$*" "$plain" >&2
    exit 1
}

# check WHAT COMMAND...: counts it, and says whether the command succeeded.
check() {
    local what=$1 mark=$no_mark
    shift
    checks=$((checks + 1))
    if "$@"; then mark=$yes_mark; else failures=$((failures + 1)); fi
    printf '   %s %s\n' "$mark" "$what"
}

milliseconds() { local now=${EPOCHREALTIME/[.,]/}; echo $((now / 1000)); }

# within SECONDS COMMAND...: runs it again and again until it succeeds; fails when the time is over.
within() {
    local deadline=$(($(milliseconds) + $1 * 1000))
    shift
    until "$@"; do
        [ "$(milliseconds)" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}
