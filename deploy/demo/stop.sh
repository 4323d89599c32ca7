#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Ends every run of the demo that was kept with KEEP=1, and cleans up after runs
# that were killed. Runs that are under way are left alone.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib/say.sh
. "$here/lib/say.sh"
# shellcheck source=lib/run.sh
. "$here/lib/run.sh"
[ "$(id -u)" -eq 0 ] || die "needs root"

found=0
for folder in "$run_pattern"*; do
    [ -d "$folder" ] || continue
    if [ ! -e "$folder/kept" ] && run_is_alive "$folder"; then
        echo "$folder is under way: left alone"
        continue
    fi
    found=1
    run_clean "$folder" || die "could not clean up $folder"
    echo "$folder: ended"
done
[ "$found" -eq 1 ] || echo "nothing to end"
