# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The control plane: etcd, API server, controller manager and scheduler, in one
# network namespace. All but the API server listen there on loopback only.

# Dual stack is still a gate in this version. With the other one pods get tokens that rotate, as later versions give.
feature_gates=IPv6DualStack=true,BoundServiceAccountTokenVolume=true
issuer=https://kubernetes.default.svc.cluster.local

in_control() { # NAME COMMAND...
    local name=$1
    shift
    process_define "$name" nsenter --net="$(netns_path control)" -- "$@"
}

define_control_plane() {
    mkdir -p "$run/etcd"
    in_control etcd env ETCD_UNSUPPORTED_ARCH="$(uname -m)" "$bin/etcd" --name lab --data-dir "$run/etcd" \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster lab=http://127.0.0.1:2380 --snapshot-count 10000 --log-level warn
    in_control kube-apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
        --advertise-address "$control4" --secure-port 6443 --authorization-mode Node,RBAC \
        --enable-admission-plugins NodeRestriction --anonymous-auth=true --allow-privileged=true \
        --feature-gates "$feature_gates" --service-cluster-ip-range "$services4,$services6" \
        --tls-cert-file "$pki/kube-apiserver.crt" --tls-private-key-file "$pki/kube-apiserver.key" \
        --client-ca-file "$pki/ca.crt" --kubelet-certificate-authority "$pki/ca.crt" \
        --kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key" \
        --kubelet-preferred-address-types InternalIP \
        --service-account-issuer "$issuer" --api-audiences "$issuer" \
        --service-account-signing-key-file "$pki/service-accounts.key" \
        --service-account-key-file "$pki/service-accounts.pub" --service-account-extend-token-expiration=false
    in_control kube-controller-manager "$bin/kube-controller-manager" \
        --kubeconfig "$pki/kube-controller-manager.kubeconfig" --leader-elect=false --feature-gates "$feature_gates" \
        --allocate-node-cidrs --cluster-cidr "$pods4,$pods6" --service-cluster-ip-range "$services4,$services6" \
        --node-cidr-mask-size-ipv4 24 --node-cidr-mask-size-ipv6 64 --configure-cloud-routes=false \
        --root-ca-file "$pki/ca.crt" --service-account-private-key-file "$pki/service-accounts.key" \
        --use-service-account-credentials --cluster-signing-cert-file "$pki/ca.crt" \
        --cluster-signing-key-file "$pki/ca.key" --bind-address 127.0.0.1 --port 0
    in_control kube-scheduler "$bin/kube-scheduler" --kubeconfig "$pki/kube-scheduler.kubeconfig" \
        --leader-elect=false --feature-gates "$feature_gates" --bind-address 127.0.0.1 --port 0
}

api_is_ready() { kubectl get --raw /readyz; }
# Made by controllers, which take ten seconds to begin: nothing starts in a namespace before it has its account.
controllers_are_at_work() { kubectl -n default get serviceaccount/default configmap/kube-root-ca.crt; }

start_control_plane() {
    define_control_plane
    process_start etcd
    await 60 etcd "etcd answers" in_network control bash -c ': </dev/tcp/127.0.0.1/2379'
    process_start kube-apiserver
    await 60 kube-apiserver "the API server is ready" api_is_ready
    process_start kube-controller-manager
    process_start kube-scheduler
}
