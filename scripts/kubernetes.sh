#!/usr/bin/env bash
# Prints the folder that holds etcd, kube-apiserver and kubectl; builds them first where they are missing.
#
# KUBEBUILDER_ASSETS names a folder of one's own: then nothing is built.
set -euo pipefail

if [[ -z "${KUBEBUILDER_ASSETS:-}" ]]; then
    exec "$(dirname "${BASH_SOURCE[0]}")/tools.sh" kubernetes
fi
for program in etcd kube-apiserver kubectl; do
    if [[ ! -x "$KUBEBUILDER_ASSETS/$program" ]]; then
        echo "kubernetes: KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which holds no $program; unset it to have one built" >&2
        exit 1
    fi
done
echo "$KUBEBUILDER_ASSETS"
