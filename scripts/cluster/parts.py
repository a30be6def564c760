"""What a node is made of: the command line of each part, and the files that it reads. Starts nothing."""

import string
from dataclasses import dataclass
from pathlib import Path

ADDRESS = "10.244.0.1"
POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
PAUSE_IMAGE = "pointsman.dev/pause:1"
CONFIG = Path(__file__).parent / "config"


@dataclass
class Layout:
    """Where things lie: `pki` and `log` are the host's to read, `work` is in the node's memory only."""

    pki: Path
    log: Path
    work: Path
    kubernetes: Path
    containerd: Path
    coredns: Path
    cni_plugins: Path
    cgroup: str


def files(layout: Layout) -> dict[Path, str]:
    """The configuration files, filled in."""
    values = {
        "address": ADDRESS,
        "pod_range": POD_RANGE,
        "pause": PAUSE_IMAGE,
        "pki": layout.pki,
        "work": layout.work,
        "cni_plugins": layout.cni_plugins,
        "cgroup": layout.cgroup,
    }
    places = {
        "containerd.toml": layout.work / "containerd.toml",
        "bridge.conflist": layout.work / "cni" / "10-bridge.conflist",
        "kubelet.yaml": layout.work / "kubelet.yaml",
        "kube-proxy.yaml": layout.work / "kube-proxy.yaml",
        "Corefile": layout.work / "Corefile",
    }
    return {place: string.Template((CONFIG / name).read_text()).substitute(values) for name, place in places.items()}


def containerd(layout: Layout) -> list[str]:
    return [f"{layout.containerd}/containerd", "--config", f"{layout.work}/containerd.toml"]


def etcd(layout: Layout) -> list[str]:
    here = "http://127.0.0.1:2379"
    peer = "http://127.0.0.1:2380"
    return [
        f"{layout.kubernetes}/etcd",
        "--name=node",
        "--unsafe-no-fsync",
        f"--data-dir={layout.work}/etcd",
        f"--listen-client-urls={here}",
        f"--advertise-client-urls={here}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=node={peer}",
    ]


def apiserver(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"{layout.kubernetes}/kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=0.0.0.0",
        f"--advertise-address={ADDRESS}",
        "--secure-port=6443",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/tokens.key",
        f"--service-account-signing-key-file={pki}/tokens.key",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={pki}/admin.crt",
        f"--kubelet-client-key={pki}/admin.key",
        # By its address: the node's name stands in no DNS, and `logs` and `exec` would look it up.
        "--kubelet-preferred-address-types=InternalIP",
    ]


def controller_manager(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"{layout.kubernetes}/kube-controller-manager",
        f"--kubeconfig={pki}/controller-manager.kubeconfig",
        f"--service-account-private-key-file={pki}/tokens.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def scheduler(layout: Layout) -> list[str]:
    return [
        f"{layout.kubernetes}/kube-scheduler",
        f"--kubeconfig={layout.pki}/scheduler.kubeconfig",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def kubelet(layout: Layout) -> list[str]:
    return [
        f"{layout.kubernetes}/kubelet",
        f"--kubeconfig={layout.pki}/kubelet.kubeconfig",
        f"--config={layout.work}/kubelet.yaml",
        f"--root-dir={layout.work}/kubelet",
        f"--cert-dir={layout.work}/kubelet/pki",
        "--hostname-override=node",
        f"--node-ip={ADDRESS}",
    ]


def proxy(layout: Layout) -> list[str]:
    return [
        f"{layout.kubernetes}/kube-proxy",
        f"--config={layout.work}/kube-proxy.yaml",
        "--hostname-override=node",
    ]


def coredns(layout: Layout) -> list[str]:
    return [f"{layout.coredns}/coredns", "-conf", f"{layout.work}/Corefile"]
