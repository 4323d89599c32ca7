# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The lab's processes have names. Each can be stopped and started again by that
# name, by any script: what it is made of lies in <run>/processes/<name>.
#
#   command   the script that becomes the process
#   pid       "<pid> <start time>", a line each: who was started, and whom that one started to be it (inside a node)

# process_stamp PID: "<pid> <start time>", which no other process will ever have; fails if there is none.
process_stamp() {
    local fields
    fields=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    fields=${fields##*) }
    # shellcheck disable=SC2086 # fields of /proc/pid/stat, from the third on
    set -- "$1" $fields
    [ "$2" != Z ] && echo "$1 ${21}"
}

stamp_is_alive() { [ "$(process_stamp "${1%% *}")" = "$1" ]; }

# process_define NAME COMMAND...: what the process is.
process_define() {
    local folder=$run/processes/$1
    shift
    mkdir -p "$folder" "$run/logs"
    {
        # Whoever starts it again may have another environment.
        printf 'export SKEIN_E2E_RUN=%q SKEIN_E2E_CACHE=%q\n' "$run" "${cache%/*}"
        printf 'exec'
        printf ' %q' "$@"
        echo
    } >"$folder/command"
}

process_start() { # NAME
    local name=$1 folder=$run/processes/$1
    ! process_is_alive "$name" || return 0
    echo "--- $(date -u +%FT%TZ) started" >>"$run/logs/$name.log"
    (
        # What the caller has open, such as the lock that it holds, is not for a process that outlives it.
        for descriptor in /proc/self/fd/*; do
            descriptor=${descriptor##*/}
            [ "$descriptor" -le 2 ] || eval "exec $descriptor>&-"
        done
        exec setsid bash "$folder/command" >>"$run/logs/$name.log" 2>&1 </dev/null
    ) &
    # It ends as whoever stops it wants it to: that is no news for the shell to tell.
    disown $!
    process_stamp $! >"$folder/pid" || die_with_log "$name" "$name ended at once"
}

# process_started_child NAME: records whom the process started to be it.
process_started_child() {
    local parent child stamp
    read -r parent _ <"$run/processes/$1/pid"
    # Before it becomes one of these, its children are passing helpers.
    [[ $(<"/proc/$parent/comm") = @(nsenter|unshare) ]] || return 1
    for child in $(pgrep -P "$parent"); do
        # One that has ended, and that nobody waits for, is not it.
        stamp=$(process_stamp "$child") || continue
        echo "$stamp" >>"$run/processes/$1/pid"
        return
    done
    return 1
}

# process_stamp_of NAME: the stamp of the one that does the work.
process_stamp_of() { [ -s "$run/processes/$1/pid" ] && tail -n 1 "$run/processes/$1/pid"; }
process_is_alive() {
    local stamp
    stamp=$(process_stamp_of "$1") && stamp_is_alive "$stamp"
}
process_is_gone() { ! process_is_alive "$1"; }
process_pid() { process_stamp_of "$1" | cut -d' ' -f1; }

# process_signal NAME SIGNAL: nothing if it has ended.
process_signal() {
    local stamp
    ! stamp=$(process_stamp_of "$1") || ! stamp_is_alive "$stamp" || kill -"$2" "${stamp%% *}" 2>/dev/null || true
}

# process_stop NAME [SIGNAL]: ends it, by force after ten seconds.
process_stop() {
    process_signal "$1" "${2:-TERM}"
    within 10 process_is_gone "$1" || process_signal "$1" KILL
    within 20 process_is_gone "$1"
}

process_names() { [ ! -d "$run/processes" ] || ls "$run/processes"; }

# die_with_log NAME WHAT: WHAT went wrong, and how the log of the process ends.
die_with_log() {
    printf '%se2e: %s; the log %s ends with:%s\n' "$red" "$2" "$run/logs/$1.log" "$plain" >&2
    tail -n 15 "$run/logs/$1.log" 2>/dev/null | cut -c1-400 | quote >&2
    exit 1
}

# await SECONDS NAME WHAT COMMAND...: until the command succeeds. The process NAME has to be alive all the while.
await() {
    local deadline=$(($(milliseconds) + $1 * 1000)) name=$2 what=$3 seconds=$1
    shift 3
    until "$@" >/dev/null 2>&1; do
        process_is_alive "$name" || die_with_log "$name" "$name ended while waiting for: $what"
        [ "$(milliseconds)" -lt "$deadline" ] || die_with_log "$name" "not after $seconds s: $what"
        sleep 0.1
    done
}
