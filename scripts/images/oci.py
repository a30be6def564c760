"""An OCI image archive from a folder: `oci.py --root DIR --name REFERENCE --out FILE …`. No daemon, no registry.

The same folder gives the same bytes: names are sorted, owners and times are nobody's. `ctr images import` and `skopeo`
read the archive. Prints the digest of the manifest.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

EPOCH = "1970-01-01T00:00:00Z"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--name", required=True, help="the full reference, such as pointsman.dev/pause:1")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--entrypoint", required=True, help="the program, as the image sees it")
    parser.add_argument("--user", default="65532:65532")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()

    layer = layer_of(options.root)
    blob = gzip.compress(layer, compresslevel=6, mtime=0)
    config = as_json(
        {
            "created": EPOCH,
            "architecture": ARCHITECTURES.get(os.uname().machine, os.uname().machine),
            "os": "linux",
            "config": {
                "User": options.user,
                "Entrypoint": [options.entrypoint],
                "WorkingDir": "/",
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", *options.env],
                "Labels": dict(label.split("=", 1) for label in options.label),
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
            "history": [{"created": EPOCH, "created_by": "scripts/images"}],
        }
    )
    manifest = as_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described("application/vnd.oci.image.config.v1+json", config),
            "layers": [described("application/vnd.oci.image.layer.v1.tar+gzip", blob)],
        }
    )
    names = {
        "io.containerd.image.name": options.name,
        "org.opencontainers.image.ref.name": options.name.rsplit(":", 1)[1],
    }
    index = as_json({"schemaVersion": 2, "manifests": [{**described(MANIFEST, manifest), "annotations": names}]})
    write_archive(options.out, index, [config, manifest, blob])
    print(digest(manifest))


def layer_of(root: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, arcname=str(path.relative_to(root)), recursive=False, filter=anonymous)
    return out.getvalue()


def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    # Hard links depend on the order of the walk on this machine: each file stands for itself.
    if entry.islnk():
        entry.type = tarfile.REGTYPE
    # What the umask of whoever built it left is no part of the image; whether a file runs is.
    if entry.isdir() or entry.isfile():
        shared = 0o1777 if entry.mode & 0o1000 else 0o755
        entry.mode = shared if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def write_archive(out: Path, index: bytes, blobs: list[bytes]) -> None:
    files = {"oci-layout": as_json({"imageLayoutVersion": "1.0.0"}), "index.json": index}
    files |= {f"blobs/sha256/{digest(blob).split(':')[1]}": blob for blob in blobs}
    unfinished = out.with_suffix(".new")
    with tarfile.open(unfinished, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    unfinished.rename(out)


def described(media_type: str, content: bytes) -> dict:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def as_json(value: dict) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


if __name__ == "__main__":
    main()
