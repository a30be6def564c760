"""The cgroups of one cluster, in every hierarchy of the machine: `cgroups.py make|remove NAME`.

A cluster has a root of its own: two kubelets under one root would take each other's pods for leftovers.
"""

import os
import sys
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    # Version 1, perhaps with version 2 beside it (`unified`): one folder for each controller, some of them links.
    return [folder for folder in sorted(ROOT.iterdir()) if folder.is_dir() and not folder.is_symlink()]


def make(name: str) -> None:
    for hierarchy in hierarchies():
        folder = hierarchy / name
        folder.mkdir(exist_ok=True)
        # An empty cpuset takes no process; version 1 copies the parent's only when asked to.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if hierarchy.name == "cpuset" and (folder / file).exists():
                (folder / file).write_text((hierarchy / file).read_text())
        if hierarchy == ROOT:
            enable_controllers(hierarchy)
            enable_controllers(folder)


def enable_controllers(folder: Path) -> None:
    for controller in (folder / "cgroup.controllers").read_text().split():
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            # Some controllers cannot be handed down here; the kubelet says which ones it misses.
            pass


def remove(name: str) -> None:
    """The folders are empty a moment after their processes have ended."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if all([remove_tree(hierarchy / name) for hierarchy in hierarchies()]):
            return
        time.sleep(0.05)


def remove_tree(top: Path) -> bool:
    if not top.exists():
        return True
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            return False
    return True


if __name__ == "__main__":
    {"make": make, "remove": remove}[sys.argv[1]](sys.argv[2])
