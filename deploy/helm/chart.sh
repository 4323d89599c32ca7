#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The chart is the only place where what is installed is written: deploy/manifests
# is what it renders. Needs helm (3 or 4) in PATH, or $HELM.
#
# usage: chart.sh render   writes deploy/manifests
#        chart.sh check    is that what is there? Does the chart hold, and does it refuse what is wrong, by its name?
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
chart=$here/skein manifests=$here/../manifests
helm=${HELM:-helm}
status=0

render() { # FOLDER: a file for each template
    local template name
    for template in "$chart"/templates/*.yaml; do
        name=${template##*/}
        # What helm says of where it took it from is no part of it.
        "$helm" template skein "$chart" --namespace kube-system --show-only "templates/$name" |
            sed '/^---$/{N;s/^---\n# Source: .*$//;}' | sed '1{/^$/d;}' >"$1/$name"
    done
}

wrong() { echo "$*" >&2; status=1; }

# refuses TEXT SETTING...: an error that has the text in it.
refuses() {
    local text=$1 answer
    shift
    ! answer=$("$helm" template skein "$chart" --namespace kube-system "${@/#/--set=}" 2>&1) ||
        { wrong "the chart takes $*"; return; }
    [[ $answer == *"$text"* ]] || wrong "not named in the refusal of $*: $text: $answer"
}
# gives TEXT SETTING...: something that has the text in it.
gives() {
    local text=$1 answer
    shift
    answer=$("$helm" template skein "$chart" --namespace kube-system "${@/#/--set=}" 2>&1) ||
        { wrong "the chart refuses $*: $answer"; return; }
    [[ $answer == *"$text"* ]] || wrong "$* does not give: $text"
}

check() {
    local rendered
    rendered=$(mktemp -d)
    # shellcheck disable=SC2064 # it is known now
    trap "rm -rf '$rendered'" EXIT
    "$helm" lint --strict "$chart" >"$rendered/.lint" 2>&1 || { cat "$rendered/.lint" >&2; status=1; }
    render "$rendered"
    diff -u --exclude=kustomization.yaml --exclude=.lint "$manifests" "$rendered" ||
        wrong "deploy/manifests is not what the chart renders: make manifests"
    # One that tolerates everything goes back to the node that was drained.
    ! grep -q -- '- operator:' "$rendered/operator.yaml" || wrong "the operator has a toleration without a key"
    refuses routingMode routingMode=direct
    refuses mode ipam.mode=eni
    refuses tunnelProtocol tunnelProtocol=geneve
    refuses clusterPoolIPv4PodCIDRList ipam.mode=cluster-pool
    refuses clusterPoolIPv4PodCIDRList/0 'ipam.operator.clusterPoolIPv4PodCIDRList={10.0.0.0}'
    refuses mtu mtu=900
    refuses k8sServicePort k8sServicePort=65536
    refuses pullPolicy image.pullPolicy=Sometimes
    refuses replicas operator.replicas=0
    refuses kubeProxyReplacement kubeProxyReplacement=true
    gives --routing=native routingMode=native
    gives --mtu=1400 mtu=1400
    gives --cluster-pool-ipv4-cidr=10.0.0.0/8 ipam.mode=cluster-pool \
        'ipam.operator.clusterPoolIPv4PodCIDRList={10.0.0.0/8}'
    gives --ipam=cluster-pool ipam.mode=cluster-pool 'ipam.operator.clusterPoolIPv6PodCIDRList={fd00::/48}'
    gives 'value: "api.example"' k8sServiceHost=api.example
    gives example.org/skein:next image.repository=example.org/skein image.tag=next
    gives 'name: pull' 'imagePullSecrets[0].name=pull'
    gives '- "--events-per-second=10"' 'extraArgs={--events-per-second=10}'
}

command -v "$helm" >/dev/null || { echo "no helm here (HELM=path)" >&2; exit 2; }
case ${1:-} in
    render) render "$manifests" ;;
    check) check ;;
    *) sed -n '/^# usage/,/^set/s/^# //p' "$0" >&2; exit 2 ;;
esac
exit "$status"
