#!/usr/bin/env bash
# Says why this machine cannot hold a node, and nothing where it can.
set -euo pipefail

if [[ "$(id -u)" != 0 ]]; then
    echo "a node needs root: namespaces, mounts and cgroups of its own"
elif ! unshare --fork --pid --mount-proc --net --mount --ipc --uts true 2>/dev/null; then
    echo "this kernel or container allows no namespaces of one's own (unshare failed)"
elif ! unshare --mount sh -c 'mount -t tmpfs none /mnt' 2>/dev/null; then
    echo "this container allows no mounts (CAP_SYS_ADMIN is missing)"
elif ! unshare --net sh -c 'ip link add able type bridge' 2>/dev/null && command -v ip >/dev/null; then
    echo "this kernel has no bridges (module bridge)"
elif ! grep -qw overlay /proc/filesystems && ! modprobe overlay 2>/dev/null; then
    echo "this kernel has no overlay file system (module overlay)"
elif (($(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo) < 3000000)); then
    echo "a node with its pods takes 3 GB of memory, and less is free"
elif [[ ! -w /sys/fs/cgroup ]]; then
    echo "/sys/fs/cgroup cannot be written to: the kubelet cannot make cgroups"
fi
