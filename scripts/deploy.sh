#!/usr/bin/env bash
# Installs or upgrades the chart in the cluster of the current kubeconfig: `IMAGE=registry/pointsman:1.2 scripts/deploy.sh [helm options]`.
#
# IMAGE is where your nodes find the image of `make images` (push its archive with `skopeo copy oci-archive:… docker://…`).
# Without it the image must be on the nodes already, as it is after `scripts/cluster/load.sh`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

options=()
if [[ -n "${IMAGE:-}" ]]; then
    name="${IMAGE##*/}"
    case "$name" in
        *@*) options+=(--set "image.repository=${IMAGE%@*}" --set "image.digest=${IMAGE##*@}") ;;
        *:*) options+=(--set "image.repository=${IMAGE%:*}" --set-string "image.tag=${IMAGE##*:}") ;;
        *) options+=(--set "image.repository=$IMAGE" --set-string image.tag=latest) ;;
    esac
fi
helm="$(scripts/tools.sh helm)/helm"
exec "$helm" upgrade --install pointsman ./operator/chart --namespace pointsman-system --create-namespace --wait "${options[@]}" "$@"
