#!/usr/bin/env python3
"""FER2013 in a fifth of its size, to carry it to another machine: 271 MB of fer2013.csv without its test rows are 50 MB.

Lossless: each pixel as its difference from the median edge prediction of its left and upper neighbours (LOCO-I, Weinberger
et al. 2000), compressed by xz. fer2013new.csv, the FER+ votes, travels along where it lies beside fer2013.csv.

Needs python3-numpy. Usage:
  scripts/pack_fer2013.py pack fer2013.csv packed/ [--leave-out PrivateTest]
  scripts/pack_fer2013.py unpack packed/ fer2013.csv
"""
import argparse
import lzma
import sys
from pathlib import Path

import numpy as np

SIDE = 48
VOTES = "fer2013new.csv"


def predicted(x, row, column):
    """From the pixels before it: x is [row][column][picture]."""
    if row == 0 and column == 0:
        return 0
    if row == 0:
        return x[0, column - 1]
    if column == 0:
        return x[row - 1, 0]
    left, up, corner = x[row, column - 1], x[row - 1, column], x[row - 1, column - 1]
    low, high = np.minimum(left, up), np.maximum(left, up)
    return np.where(corner >= high, low, np.where(corner <= low, high, left + up - corner))


def rows_of(path, parts):
    """(emotion, pixels, part) of each row, those of the parts in `parts` left out."""
    with open(path, encoding="ascii") as file:
        header = file.readline().strip()
        if header != "emotion,pixels,Usage":
            sys.exit(f"pack_fer2013: {path}: the header is not emotion,pixels,Usage")
        for number, line in enumerate(file, 2):
            fields = line.strip().split(",")
            if len(fields) != 3:
                sys.exit(f"pack_fer2013: {path}: row {number} has {len(fields)} fields, not 3")
            pixels = np.array(fields[1].split(), np.int16)
            if pixels.size != SIDE * SIDE or pixels.min() < 0 or pixels.max() > 255:
                sys.exit(f"pack_fer2013: {path}: row {number} is no picture of {SIDE}x{SIDE} bytes")
            if fields[2] not in parts:
                yield int(fields[0]), pixels.astype(np.uint8), fields[2]


def pack(source, target, left_out):
    rows = list(rows_of(source, left_out))
    if not rows:
        sys.exit(f"pack_fer2013: {source}: no rows are left")
    emotions, pictures, parts = zip(*rows)
    x = np.stack(pictures).reshape(-1, SIDE, SIDE).transpose(1, 2, 0).astype(np.int16)
    rest = np.empty(x.shape, np.uint8)
    for row in range(SIDE):
        for column in range(SIDE):
            rest[row, column] = (x[row, column] - predicted(x, row, column)) & 255
    target.mkdir(parents=True, exist_ok=True)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 0, "pb": 0}]
    packed = lzma.compress(np.ascontiguousarray(rest.transpose(2, 0, 1)).tobytes(), lzma.FORMAT_XZ, filters=filters)
    (target / "pixels.xz").write_bytes(packed)
    np.savez_compressed(target / "rows.npz", emotions=np.array(emotions, np.uint8), parts=np.array(parts))
    votes = source.with_name(VOTES)
    if votes.exists():
        lines = votes.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.split(",", 1)[0] not in left_out]
        (target / VOTES).write_text("".join(kept))


def unpack(source, target):
    rest = np.frombuffer(lzma.decompress((source / "pixels.xz").read_bytes()), np.uint8)
    rest = rest.reshape(-1, SIDE, SIDE).transpose(1, 2, 0)
    x = np.empty(rest.shape, np.int16)
    for row in range(SIDE):
        for column in range(SIDE):
            x[row, column] = (predicted(x, row, column) + rest[row, column]) & 255
    rows = np.load(source / "rows.npz")
    pictures = x.transpose(2, 0, 1).reshape(-1, SIDE * SIDE)
    numbers = np.array([str(value) for value in range(256)], dtype=object)
    with open(target, "w", encoding="ascii") as file:
        file.write("emotion,pixels,Usage\n")
        for emotion, picture, part in zip(rows["emotions"], pictures, rows["parts"]):
            file.write(f"{emotion},{' '.join(numbers[picture])},{part}\n")
    if (source / VOTES).exists():
        target.with_name(VOTES).write_text((source / VOTES).read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("csv", type=Path)
    packing.add_argument("folder", type=Path)
    packing.add_argument("--leave-out", action="append", default=[], choices=["Training", "PublicTest", "PrivateTest"])
    unpacking = commands.add_parser("unpack")
    unpacking.add_argument("folder", type=Path)
    unpacking.add_argument("csv", type=Path)
    options = parser.parse_args()
    if options.command == "pack":
        pack(options.csv, options.folder, set(options.leave_out))
    else:
        unpack(options.folder, options.csv)


main()
