# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# One authority signs all certificates of the run. They last two days: a lab
# does not grow old.

pki=$run/pki

make_authority() {
    mkdir -p "$pki"
    chmod 700 "$pki"
    openssl ecparam -name prime256v1 -genkey -noout -out "$pki/ca.key"
    openssl req -x509 -new -key "$pki/ca.key" -subj "/CN=$prefix" -days 2 -out "$pki/ca.crt"
    # Signs the tokens of service accounts.
    openssl ecparam -name prime256v1 -genkey -noout -out "$pki/service-accounts.key"
    openssl ec -in "$pki/service-accounts.key" -pubout -out "$pki/service-accounts.pub" 2>/dev/null
}

# make_certificate FILE SUBJECT [NAMES]: for clients, and for a server of these NAMES ("DNS:a,IP:b").
make_certificate() {
    local usage=clientAuth${3:+,serverAuth}
    openssl ecparam -name prime256v1 -genkey -noout -out "$pki/$1.key"
    openssl req -new -key "$pki/$1.key" -subj "$2" |
        openssl x509 -req -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 2 -out "$pki/$1.crt" -extfile <(
            echo "extendedKeyUsage=$usage"
            [ -z "${3:-}" ] || echo "subjectAltName=$3"
        ) 2>"$pki/openssl.log" || die "openssl: $(cat "$pki/openssl.log")"
}

# make_kubeconfig FILE SUBJECT: of a client with a certificate of its own; all of it within the one file.
make_kubeconfig() {
    [ -e "$pki/$1.crt" ] || make_certificate "$1" "$2"
    cat >"$pki/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: https://$control4:6443
    certificate-authority-data: $(base64 -w 0 "$pki/ca.crt")
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w 0 "$pki/$1.crt")
    client-key-data: $(base64 -w 0 "$pki/$1.key")
contexts:
- name: lab
  context: {cluster: lab, user: $1}
current-context: lab
END
}

make_pki() { # NODE...
    local node
    make_authority
    make_certificate kube-apiserver "/CN=kube-apiserver" "DNS:kubernetes,DNS:kubernetes.default,$(
    )DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,$(
    )IP:127.0.0.1,IP:$control4,IP:$control6,IP:$api_service4,IP:$api_service6"
    make_certificate kubelet-client "/O=system:masters/CN=kube-apiserver-kubelet-client"
    make_kubeconfig admin "/O=system:masters/CN=admin"
    make_kubeconfig kube-controller-manager "/CN=system:kube-controller-manager"
    make_kubeconfig kube-scheduler "/CN=system:kube-scheduler"
    make_kubeconfig kube-proxy "/CN=system:kube-proxy"
    for node; do
        make_certificate "$node" "/O=system:nodes/CN=system:node:$node" \
            "DNS:$node,IP:$(node_address4 "$node"),IP:$(node_address6 "$node")"
        make_kubeconfig "$node" "/O=system:nodes/CN=system:node:$node"
    done
}
