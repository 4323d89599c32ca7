#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Takes Skein off a cluster: first its agents and its operator, then, on each
# node, programs, maps, devices, the plugin and its configuration, then its
# accounts, its kinds and their objects. Pods that are there keep what the
# nodes' own routing gives them, without policy; new ones wait for another CNI.
# Calling it again is no error; a node that was away is done by the next call.
#
# usage: uninstall.sh [--keep-policies]   with kubectl's current context
#
#   KUBECTL, IMAGE, NAMESPACE: other ones; TIMEOUT: seconds
set -euo pipefail

namespace=${NAMESPACE:-kube-system}
read -ra kubectl <<<"${KUBECTL:-kubectl}"
timeout=${TIMEOUT:-120}
manifests=$(cd "$(dirname "$0")/manifests" && pwd)
kinds=(skeinendpointslices skeinidentities skeinnodes skeinnetworkpolicies skeinclusternetworkpolicies)
case ${1:-} in
    '') ;;
    --keep-policies) kinds=("${kinds[@]:0:3}") ;;
    *) sed -n '/^# usage/,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

k() { "${kubectl[@]}" "$@"; }
in_namespace() { k -n "$namespace" "$@"; }
of_agent() { in_namespace get daemonset skein-agent --ignore-not-found -o "jsonpath=$1"; }
host_path() { of_agent "{.spec.template.spec.volumes[?(@.name==\"$1\")].hostPath.path}"; }

# The agent's own folder is seen within its parent, as a mount point could not be removed.
node_pod() { # NODE
    cat <<END
apiVersion: v1
kind: Pod
metadata:
  generateName: skein-uninstall-
  namespace: $namespace
  labels: {app.kubernetes.io/name: skein-uninstall, app.kubernetes.io/part-of: skein}
  annotations: {container.apparmor.security.beta.kubernetes.io/uninstall: unconfined}
spec:
  nodeName: $1
  hostNetwork: true
  restartPolicy: Never
  automountServiceAccountToken: false
  priorityClassName: system-node-critical
  tolerations: [{operator: Exists}]
  containers:
  - name: uninstall
    image: $image
    command:
    - /usr/bin/skein-agent
    - --uninstall
    - --uninstall-file=/host/cni/net.d/10-skein.conflist
    - --uninstall-file=/host/cni/bin/skein-cni
    securityContext:
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL], add: [$capabilities]}
      seccompProfile: {type: Unconfined}
      seLinuxOptions: {type: spc_t, level: s0}
    volumeMounts:
    - {name: bpf, mountPath: /sys/fs/bpf}
    - {name: run, mountPath: /run}
    - {name: cni-conf, mountPath: /host/cni/net.d}
    - {name: cni-bin, mountPath: /host/cni/bin}
    - {name: rcu, mountPath: /sys/kernel/rcu_expedited}
  volumes:
  - {name: bpf, hostPath: {path: /sys/fs/bpf, type: Directory}}
  - {name: run, hostPath: {path: /run}}
  - {name: cni-conf, hostPath: {path: $conf_path, type: DirectoryOrCreate}}
  - {name: cni-bin, hostPath: {path: $bin_path, type: DirectoryOrCreate}}
  - {name: rcu, hostPath: {path: /sys/kernel/rcu_expedited, type: File}}
---
END
}

# pods PATH: of those. phases: the node of each such pod, and how far it is.
pods() { in_namespace get pods -l app.kubernetes.io/name=skein-uninstall -o "jsonpath=$1"; }
phases() { pods '{range .items[*]}{.spec.nodeName} {.status.phase}{"\n"}{end}'; }

# What a second call no longer finds is as it comes.
image=${IMAGE:-$(of_agent '{.spec.template.spec.containers[0].image}')}
capabilities=$(of_agent '{.spec.template.spec.containers[0].securityContext.capabilities.add[*]}')
capabilities=${capabilities// /, }
conf_path=$(host_path cni-conf) bin_path=$(host_path cni-bin)
image=${image:-$(sed -n 's/^ *image: //p' "$manifests/agent.yaml" | head -n 1)}
capabilities=${capabilities:-BPF, NET_ADMIN, PERFMON}
conf_path=${conf_path:-/etc/cni/net.d} bin_path=${bin_path:-/opt/cni/bin}

echo "agents and operator"
in_namespace delete daemonset/skein-agent deployment/skein-operator --ignore-not-found --cascade=foreground --wait
# The objects are gone then; a pod may take a moment more, and one of a node that is away a long time.
deadline=$((SECONDS + timeout))
while [ -n "$(in_namespace get pods -l app.kubernetes.io/name=skein-agent -o name)" ]; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "some agents do not end" >&2; break; }
    sleep 0.5
done

echo "nodes"
in_namespace delete pods -l app.kubernetes.io/name=skein-uninstall --ignore-not-found --wait
# Where the DaemonSet ran; kubelet sets the label. A pod on another system's node would never end.
nodes=$(k get nodes -l kubernetes.io/os=linux -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}')
for node in $nodes; do node_pod "$node"; done | k create -f - >/dev/null
deadline=$((SECONDS + timeout))
# Into a variable first: to whoever stops reading early a writer's end is a failure.
while states=$(phases) && grep -Eqv ' (Succeeded|Failed)$' <<<"$states"; do
    [ "$SECONDS" -lt "$deadline" ] || break
    sleep 0.5
done
echo "   ${states//$'\n'/$'\n   '}"
if grep -qv ' Succeeded$' <<<"$states"; then
    in_namespace logs -l app.kubernetes.io/name=skein-uninstall --prefix --tail 5 >&2 || true
    echo "not all of them: call this again when they are back" >&2
    exit 1
fi
in_namespace delete pods -l app.kubernetes.io/name=skein-uninstall --wait >/dev/null

echo "accounts and kinds"
in_namespace delete rolebinding/skein-operator role/skein-operator lease/skein-operator \
    serviceaccount/skein-agent serviceaccount/skein-operator --ignore-not-found
k -n default delete rolebinding/skein-agent role/skein-agent --ignore-not-found
k delete clusterrolebinding/skein-agent clusterrolebinding/skein-operator clusterrole/skein-agent \
    clusterrole/skein-operator --ignore-not-found
k delete crd "${kinds[@]/%/.skein.dev}" --ignore-not-found --timeout "${timeout}s"
