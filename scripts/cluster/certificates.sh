#!/usr/bin/env bash
# Makes the certificates and kubeconfigs of a cluster in the folder $1; the node's address is $2, the first service address $3.
set -euo pipefail
umask 077
cd "$1"
readonly NODE_ADDRESS="$2" API_SERVICE="$3"

main() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=pointsman cluster" \
        -keyout ca.key -out ca.crt 2>/dev/null
    openssl genrsa -traditional -out tokens.key 2048 2>/dev/null
    certificate apiserver "/CN=kube-apiserver" serverAuth \
        "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$NODE_ADDRESS,IP:$API_SERVICE"
    client admin "/O=system:masters/CN=admin"
    client kubelet "/O=system:nodes/CN=system:node:node"
    client controller-manager "/CN=system:kube-controller-manager"
    client scheduler "/CN=system:kube-scheduler"
    client proxy "/CN=system:kube-proxy"
}

# client NAME SUBJECT: a client certificate and the kubeconfig that uses it from inside the node.
client() {
    certificate "$1" "$2" clientAuth
    kubeconfig "$1" "https://$NODE_ADDRESS:6443" >"$1.kubeconfig"
}

certificate() {
    local names=()
    [[ -z "${4:-}" ]] || names=(-addext "subjectAltName=$4")
    openssl req -x509 -CA ca.crt -CAkey ca.key -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "$2" \
        -addext "basicConstraints=critical,CA:FALSE" -addext "extendedKeyUsage=$3" "${names[@]}" \
        -keyout "$1.key" -out "$1.crt" 2>/dev/null
}

# kubeconfig NAME SERVER: with everything inside, so that the file can be copied.
kubeconfig() {
    cat <<END
apiVersion: v1
kind: Config
clusters: [{name: pointsman, cluster: {server: "$2", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: pointsman, context: {cluster: pointsman, user: $1}}]
current-context: pointsman
END
}

main
