# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What every script of the lab knows: versions, places, addresses, how it speaks.
# One lab is up at a time on a machine: its namespaces and control groups have
# fixed names.
#
#   <run>/processes/<name>/  command, pid: see process.sh
#   <run>/logs/<name>.log    stays when the lab ends
#   <run>/pki/               keys, certificates, kubeconfigs
#   <run>/nodes/<node>/      what the node keeps: see node.sh
#   <run>/up                 exists when `up` came to its end

e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=../demo/lib/say.sh
. "$e2e/../demo/lib/say.sh"
die() {
    printf '%se2e: %s%s\n' "$red" "$*" "$plain" >&2
    exit 1
}

kubernetes_version=1.20.2
# The last part counts changes of the recipe, so that an older build is not taken for a newer one's.
cache=${SKEIN_E2E_CACHE:-${HOME:-/root}/.cache/skein/e2e}/$kubernetes_version-2
bin=$cache/bin
run=${SKEIN_E2E_RUN:-/run/skein-e2e}
prefix=skein-e2e
admin=$run/pki/admin.kubeconfig
pause_image=localhost/pause:lab agnhost_image=localhost/agnhost:lab

# The fabric is the segment that joins all; node N has its addresses .N+10.
fabric4=172.30.77 fabric6=fd5c:e2e:0:1:
control4=$fabric4.1 control6=$fabric6:1
world4=$fabric4.200 world6=$fabric6:200
# An address behind the world, which stands for all that is outside of the cluster.
outside4=203.0.113.10 outside6=2001:db8:113::10
pods4=10.78.0.0/16 pods6=fd5c:e2e:0:100::/56
services4=10.79.0.0/16 services6=fd5c:e2e:0:200::/112
api_service4=10.79.0.1 api_service6=fd5c:e2e:0:200::1

node_address4() { echo "$fabric4.$((10 + ${1#node}))"; }
node_address6() { echo "$fabric6:$((10 + ${1#node}))"; }
# node_names: the nodes of this run, one a line; nothing if there is none.
node_names() { [ ! -d "$run/nodes" ] || ls "$run/nodes"; }

need_root() { [ "$(id -u)" -eq 0 ] || die "needs root: it makes network namespaces and starts containers"; }

# kubectl ARGUMENTS...: as the administrator, from inside of the control plane's namespace.
kubectl() { in_network control "$bin/kubectl" --kubeconfig "$admin" "$@"; }
