#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Becomes a process of a node: of its control groups and its namespaces.
#
# usage: in-node.sh NODE PID COMMAND...   PID is the node's first process
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=common.sh
. "$here/common.sh"
# shellcheck source=cgroup.sh
. "$here/cgroup.sh"
node=$1 pid=$2
shift 2
enter_cgroups "$node"
enter_system_group "$node"
umask 022
export PATH="$bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root
exec nsenter --target "$pid" --mount --net --uts --ipc --pid --cgroup -- "$@"
