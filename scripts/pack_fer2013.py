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
import os
import shutil
import sys
import zipfile
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


def number(text, high):
    return int(text) if text.isascii() and text.isdigit() and int(text) <= high else None


def rows_of(path, left_out):
    """(emotion, pixels, part) of each row that is not of a part in `left_out`."""
    with open(path, encoding="ascii") as file:
        if file.readline().strip() != "emotion,pixels,Usage":
            sys.exit(f"pack_fer2013: {path}: the header is not emotion,pixels,Usage")
        for row, line in enumerate(file, 2):
            fields = line.strip().split(",")
            if len(fields) != 3:
                sys.exit(f"pack_fer2013: {path}: row {row} has {len(fields)} fields, not 3")
            emotion, pixels = number(fields[0], 255), [number(text, 255) for text in fields[1].split()]
            if emotion is None:
                sys.exit(f"pack_fer2013: {path}: row {row}: the emotion '{fields[0]}' is no number from 0 to 255")
            if len(pixels) != SIDE * SIDE or None in pixels:
                sys.exit(f"pack_fer2013: {path}: row {row} is no picture of {SIDE}x{SIDE} bytes")
            if fields[2] not in left_out:
                yield emotion, np.array(pixels, np.uint8), fields[2]


def write_whole(files):
    """{path: pieces}: all of them or none."""
    parts = {path: path.with_name(path.name + ".part") for path in files}
    try:
        for path, pieces in files.items():
            with open(parts[path], "wb") as file:
                for piece in pieces:
                    file.write(piece)
        for path, part in parts.items():
            os.replace(part, path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def refuse_existing(*paths):
    for path in paths:
        if path.exists():
            sys.exit(f"pack_fer2013: {path} is there already; nothing is written over it")


def pack(source, target, left_out):
    refuse_existing(target)
    rows = list(rows_of(source, left_out))
    if not rows:
        sys.exit(f"pack_fer2013: {source}: no rows are left")
    emotions, pictures, parts = zip(*rows)
    x = np.stack(pictures).reshape(-1, SIDE, SIDE).transpose(1, 2, 0).astype(np.int16, order="C")
    rest = np.empty(x.shape, np.uint8)
    for row in range(SIDE):
        for column in range(SIDE):
            rest[row, column] = (x[row, column] - predicted(x, row, column)) & 255
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 0, "pb": 0}]
    packed = lzma.compress(np.ascontiguousarray(rest.transpose(2, 0, 1)).tobytes(), lzma.FORMAT_XZ, filters=filters)
    votes = source.with_name(VOTES)
    part = target.with_name(target.name + ".part")
    try:
        part.mkdir(parents=True, exist_ok=True)
        (part / "pixels.xz").write_bytes(packed)
        np.savez_compressed(part / "rows.npz", emotions=np.array(emotions, np.uint8), parts=np.array(parts))
        if votes.exists():
            lines = votes.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if line.split(b",", 1)[0].decode() not in left_out]
            (part / VOTES).write_bytes(b"".join(kept))
        os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def unpack(source, target):
    refuse_existing(target)
    rest = np.frombuffer(lzma.decompress((source / "pixels.xz").read_bytes()), np.uint8)
    rows = np.load(source / "rows.npz")
    emotions, parts = rows["emotions"], rows["parts"]
    if rest.size != len(emotions) * SIDE * SIDE or len(parts) != len(emotions):
        sys.exit(f"pack_fer2013: {source}: pixels.xz and rows.npz are not of the same pictures")
    votes = source / VOTES
    if votes.exists():
        refuse_existing(target.with_name(VOTES))
    rest = rest.reshape(-1, SIDE, SIDE).transpose(1, 2, 0)
    x = np.empty(rest.shape, np.int16)
    for row in range(SIDE):
        for column in range(SIDE):
            x[row, column] = (predicted(x, row, column) + rest[row, column]) & 255
    numbers = np.array([str(value) for value in range(256)], dtype=object)

    def lines():
        yield b"emotion,pixels,Usage\n"
        for emotion, picture, part in zip(emotions, x.transpose(2, 0, 1).reshape(-1, SIDE * SIDE), parts):
            yield f"{emotion},{' '.join(numbers[picture])},{part}\n".encode()

    files = {target: lines()}
    if votes.exists():
        files[target.with_name(VOTES)] = [votes.read_bytes()]
    write_whole(files)


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
    try:
        if options.command == "pack":
            pack(options.csv, options.folder, set(options.leave_out))
        else:
            unpack(options.folder, options.csv)
    except (OSError, ValueError, KeyError, EOFError, lzma.LZMAError, zipfile.BadZipFile) as error:
        sys.exit(f"pack_fer2013: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


main()
