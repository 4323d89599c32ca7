# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What is wrong is refused, and it is said what: by the kind's schema at once, or
# by a condition of the object. What an account needn't do it can't.

# refuses_policy WHAT TEXT SPEC: a SkeinNetworkPolicy, by its schema, with the text in the answer.
refuses_policy() {
    local answer
    ! answer=$(policy wrong "$3" | kubectl apply --validate=false -f - 2>&1) && [[ $answer == *"$2"* ]] || {
        say "the answer is: ${answer:0:300}"
        kubectl -n wrong delete snp wrong --ignore-not-found >/dev/null
        return 1
    }
}
policy() { # NAME SPEC
    printf 'apiVersion: skein.dev/v1\nkind: SkeinNetworkPolicy\nmetadata: {namespace: wrong, name: %s}\n' "$1"
    echo "spec: $2"
}
condition() { # NAME TYPE FIELD
    kubectl -n wrong get snp "$1" -o "jsonpath={.status.conditions[?(@.type==\"$2\")].$3}" 2>/dev/null
}
# is_invalid NAME TEXT: its condition says so, with the text.
is_invalid() { [ "$(condition "$1" Valid status)" = False ] && [[ $(condition "$1" Valid message) == *"$2"* ]]; }
is_valid() { [ "$(condition "$1" Valid status)" = True ] && [ "$(condition "$1" Enforced status)" = True ]; }
condition_refuses() { # WHAT TEXT SPEC
    quietly kubectl apply --validate=false -f <(policy "$1" "$3") || return 1
    within 60 is_invalid "$1" "$2" || {
        say "Valid is '$(condition "$1" Valid status)': $(condition "$1" Valid message)"
        return 1
    }
}

wrong_policies() {
    local all='endpointSelector: {}'
    check "a policy that is none: spec.endpointSelector" refuses_policy x endpointSelector '{ingress: [{}]}'
    check "an unknown entity: fromEntities" refuses_policy x fromEntities "{$all, ingress: [{fromEntities: [moon]}]}"
    check "a prefix that is none: fromCIDR" refuses_policy x fromCIDR "{$all, ingress: [{fromCIDR: [nowhere]}]}"
    check "a prefix that is none: cidr" refuses_policy x cidr "{$all, ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/33}]}]}"
    check "an operator that is none: operator" refuses_policy x operator \
        '{endpointSelector: {matchExpressions: [{key: a, operator: Like}]}, ingress: [{}]}'
    check "ports without a port: port" refuses_policy x port \
        "{$all, ingress: [{toPorts: [{ports: [{protocol: TCP}]}]}]}"
    check "a protocol that is none: protocol" refuses_policy x protocol \
        "{$all, ingress: [{toPorts: [{ports: [{port: 80, protocol: GRE}]}]}]}"
    check "what is not there yet: toFQDNs" condition_refuses fqdn toFQDNs \
        "{$all, egress: [{toFQDNs: [{matchName: example.org}]}]}"
    check "what is not there yet: rules" condition_refuses l7 rules \
        "{$all, ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]}]}"
    check "what is not there yet: toServices" condition_refuses services toServices \
        "{$all, egress: [{toServices: [{k8sService: {serviceName: a}}]}]}"
    check "a field that nobody knows: fromEndpoint" condition_refuses misspelt fromEndpoint \
        "{$all, ingress: [{fromEndpoint: [{}]}]}"
    check "an exception outside of its range: except" condition_refuses except except \
        "{$all, ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}]}"
    expect "and none of them is in force in any part" < <(lines client to server with tcp:7000:64)
    quietly kubectl apply -f <(policy right "{endpointSelector: {matchLabels: {of: server}},
        ingress: [{fromEndpoints: [{matchLabels: {of: client}}]}]}")
    check "a right one says Valid and Enforced" within 60 is_valid right
    expect "and is" <<'END'
client server tcp 7000 64 yes
liar server tcp 7000 64 no
END
}

# A slice that says that the liar's addresses, which are of another node, have the client's identity.
identity_of() { # NAMESPACE POD
    kubectl get skeinendpointslices -o \
        "jsonpath={range .items[*].endpoints[?(@.podName==\"$2\")]}{.namespace} {.identity}{\"\n\"}{end}" |
        awk -v namespace="$1" '$1 == namespace && !n++ { print $2 }'
}
lying_slice() { # NODE
    cat <<END
apiVersion: skein.dev/v1
kind: SkeinEndpointSlice
metadata: {name: $1-99}
nodeName: $1
endpoints:
- addresses: ["${address4[liar]}", "${address6[liar]}"]
  identity: $(identity_of wrong client)
  namespace: wrong
  podName: client
END
}
lying_slices() {
    check "the client has an identity" test -n "$(identity_of wrong client)"
    check "a slice of node1 with addresses of node2's is taken by the API server" \
        quietly kubectl apply -f <(lying_slice node1)
    expect "but not believed" <<'END'
client server tcp 7000 64 yes
liar server tcp 7000 64 no
END
    kubectl delete skeinendpointslice node1-99 --ignore-not-found >/dev/null
    # Nobody's addresses, of a node that there is not.
    check "one of a node that there is not" quietly kubectl apply -f <(lying_slice node9)
    expect "is not believed either" <<'END'
client server tcp 7000 64 yes
liar server tcp 7000 64 no
END
    kubectl delete skeinendpointslice node9-99 --ignore-not-found >/dev/null
}

can() { # ACCOUNT VERB RESOURCE [OPTION...]
    local account=$1
    shift
    kubectl auth can-i "$@" --as "system:serviceaccount:kube-system:$account" >/dev/null 2>&1
}
cannot() { ! can "$@"; }
# rights ACCOUNT: reads "yes|no VERB RESOURCE [OPTION...]".
rights() {
    local account=$1 verdict verb what
    while read -r verdict verb what; do
        # shellcheck disable=SC2086 # words
        case $verdict in
            yes) check "$account can $verb $what" can "$account" "$verb" $what ;;
            no) check "$account can't $verb $what" cannot "$account" "$verb" $what ;;
        esac
    done
}

rights_of_accounts() {
    heading "What accounts can do ($mode)"
    rights skein-agent <<'END'
yes list pods -A
yes watch networkpolicies -A
yes create skeinidentities
yes patch nodes --subresource=status
yes patch skeinnetworkpolicies --subresource=status -A
no get secrets -A
no list configmaps -A
no create pods -A
no delete pods -A
no create pods --subresource=exec -A
no update nodes
no delete nodes
no delete skeinidentities
no update skeinidentities
no delete skeinnodes
no patch skeinnetworkpolicies -A
no create skeinnetworkpolicies -A
no delete networkpolicies -A
no create customresourcedefinitions
no get leases -n kube-system
no create serviceaccounts --subresource=token -A
no impersonate users
no escalate clusterroles
END
    rights skein-operator <<'END'
yes create customresourcedefinitions
yes patch customresourcedefinitions/skeinnodes.skein.dev
yes delete skeinidentities
yes patch leases/skein-operator -n kube-system
no delete customresourcedefinitions/skeinnodes.skein.dev
no patch customresourcedefinitions/gauges.lab.example
no patch leases/kube-scheduler -n kube-system
no create leases -n default
no get secrets -A
no list pods -A
no patch nodes
no patch nodes --subresource=status
no create skeinidentities
no create skeinendpointslices
no create skeinnetworkpolicies -A
no bind clusterroles
END
}

topic_wrong() {
    has_policy || { say "nothing to be asked of a bridge"; return 0; }
    rights_of_accounts
    heading "What is wrong ($mode)"
    kubectl create namespace wrong >/dev/null
    {
        probe_pod wrong client node1 'of: client'
        probe_pod wrong liar node2 'of: liar'
        probe_pod wrong server node3 'of: server'
    } | kubectl apply -f - >/dev/null
    check "pods are ready" within 180 pods_are_ready wrong
    learn_pods
    wrong_policies
    lying_slices
    kubectl delete namespace wrong --wait >/dev/null
}
