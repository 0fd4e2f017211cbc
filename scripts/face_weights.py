#!/usr/bin/env python3
"""A net that knows faces, as a checkpoint for fer-train --pretrained.

The weights are dlib's face recognition net (dlib_face_recognition_resnet_model_v1) as face-api.js stores it: npm
@vladmandic/face-api, model/face_recognition_model*. Its layers are a scale and a shift where ours are batch norm, so the
statistics of each are measured on training faces first: the checkpoint answers as the original does (but that the last
row and column of an even size are looked at, not padded), and training goes on from there. Kernels are scaled to the
size that fer-train begins with, which batch norm takes back out: so that its learning rates mean the same. The last
blocks tell identities and are left out (--blocks).

Needs python3-numpy. Usage:
  npm pack @vladmandic/face-api && tar xzf vladmandic-face-api-*.tgz
  scripts/face_weights.py package/model fer2013.csv faces.safetensors
  fer-train --config configs/two-heads.yaml --pretrained faces.safetensors --data fer2013.csv \
    --epochs 26 --lr 0.03 --progressive 96
"""
import argparse
import csv
import hashlib
import json
import struct
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

EPSILON = 1e-5
STAGES = (
    ("conv32_1", "conv32_2", "conv32_3"),
    ("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    ("conv128_down", "conv128_1", "conv128_2"),
    ("conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)
MEAN_RGB = np.array([122.782, 117.001, 104.298], np.float32) / 255  # of the original's input
MEAN = float(MEAN_RGB.mean())  # of gray


def read_weights(folder):
    manifest = json.loads((folder / "face_recognition_model-weights_manifest.json").read_text())
    raw = (folder / "face_recognition_model.bin").read_bytes()
    weights, at = {}, 0
    for group in manifest:
        for entry in group["weights"]:
            count = int(np.prod(entry["shape"]))
            packed = entry.get("quantization")
            stored = np.dtype(packed["dtype"] if packed else entry["dtype"])
            values = np.frombuffer(raw, stored, count, at).astype(np.float32)
            if packed:
                values = values * packed["scale"] + packed["min"]
            weights[entry["name"]] = values.reshape(entry["shape"]).astype(np.float32)
            at += count * stored.itemsize
    if at != len(raw):
        raise SystemExit(f"{folder}: {len(raw)} bytes of weights, the manifest tells of {at}")
    return weights, hashlib.sha256(raw).hexdigest()


def read_faces(path, count, side):
    """Evenly chosen training faces, [count, 1, side, side], scaled bilinearly."""
    with open(path, newline="") as file:
        rows = [row["pixels"] for row in csv.DictReader(file) if row.get("Usage", "Training") == "Training"]
    chosen = rows[:: max(1, len(rows) // count)][:count]
    faces = np.stack([np.array(pixels.split(), np.float32).reshape(48, 48) for pixels in chosen])
    place = (np.arange(side) + 0.5) * 48 / side - 0.5
    low = np.clip(np.floor(place).astype(int), 0, 46)
    share = np.clip(place - low, 0, 1).astype(np.float32)
    faces = faces[:, low, :] * (1 - share)[None, :, None] + faces[:, low + 1, :] * share[None, :, None]
    faces = faces[:, :, low] * (1 - share) + faces[:, :, low + 1] * share
    return (faces / 255 - MEAN)[:, None]


class Builder:
    """Graph, tensors, and what each node makes of the faces."""

    def __init__(self, weights, faces):
        side = faces.shape[2]
        self.weights, self.tensors = weights, {}
        self.nodes = [{"name": "input", "op": "input", "inputs": [], "channels": 1, "height": side, "width": side}]
        self.values = [faces]

    def add(self, name, op, inputs, value, **fields):
        self.nodes.append({"name": name, "op": op, "inputs": inputs, **fields})
        self.values.append(value)
        return len(self.nodes) - 1

    def conv(self, name, source, kernel, stride=1, padding=(0, 0, 0, 0)):
        self.tensors[name + ".weight"] = kernel
        top, left, bottom, right = padding
        x = np.pad(self.values[source], ((0, 0), (0, 0), (top, bottom), (left, right)))
        windows = sliding_window_view(x, kernel.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
        value = np.tensordot(windows, kernel, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)
        return self.add(name, "conv2d", [source], value, out_channels=kernel.shape[0], kernel_height=kernel.shape[2],
                        kernel_width=kernel.shape[3], stride=stride, padding=list(padding), groups=1, bias=False)

    def conv_norm(self, prefix, number, theirs, source, stride, padding):
        """Their convolution, bias, scale and shift as convolution and batch norm."""
        kernel = self.weights[theirs + "/conv/filters"].transpose(3, 2, 0, 1)
        bias = self.weights[theirs + "/conv/bias"]
        scale, shift = self.weights[theirs + "/scale/weights"], self.weights[theirs + "/scale/biases"]
        if kernel.shape[1] == 3:  # gray, as its repetition would be
            bias = bias + np.einsum("ocij,c->o", kernel, MEAN - MEAN_RGB)
            kernel = kernel.sum(1, keepdims=True)
        size = np.sqrt(2 / (kernel.reshape(len(kernel), -1) ** 2).sum(1).mean())  # He's: filters of norm sqrt(2)
        node = self.conv(f"{prefix}.conv{number}", source, kernel * size, stride, padding)
        mean, variance = self.values[node].mean((0, 2, 3)), self.values[node].var((0, 2, 3))
        norm = f"{prefix}.bn{number}"
        self.tensors[norm + ".running_mean"], self.tensors[norm + ".running_var"] = mean, variance
        self.tensors[norm + ".weight"] = scale * np.sqrt(variance + EPSILON) / size
        self.tensors[norm + ".bias"] = shift + scale * (bias + mean / size)
        column = (slice(None), None, None)
        value = (self.values[node] / size + bias[column]) * scale[column] + shift[column]
        return self.add(norm, "batch_norm", [node], value, epsilon=EPSILON)

    def relu(self, name, source):
        return self.add(name, "relu", [source], np.maximum(self.values[source], 0))

    def block(self, prefix, theirs, source):
        down = "down" in theirs
        x = self.conv_norm(prefix, 1, theirs + "/conv1", source, 2 if down else 1, (0, 0, 1, 1) if down else (1, 1, 1, 1))
        x = self.relu(prefix + ".relu1", x)
        x = self.conv_norm(prefix, 2, theirs + "/conv2", x, 1, (1, 1, 1, 1))
        if down:
            value = self.values[source]
            n, c, half = value.shape[0], value.shape[1], value.shape[2] // 2
            value = value[:, :, : 2 * half, : 2 * half].reshape(n, c, half, 2, half, 2).mean((3, 5))
            source = self.add(prefix + ".shortcut.pool", "avg_pool", [source], value, kernel=2, stride=2, padding=[0] * 4)
            wider = self.values[x].shape[1]
            if wider != c:  # their new channels begin with nothing
                kernel = np.zeros((wider, c, 1, 1), np.float32)
                kernel[:c, :, 0, 0] = np.eye(c)
                source = self.conv(prefix + ".shortcut.conv", source, kernel)
        x = self.add(prefix + ".add", "add", [x, source], self.values[x] + self.values[source])
        return self.relu(prefix + ".relu2", x)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder with face_recognition_model*")
    parser.add_argument("faces", type=Path, help="fer2013.csv")
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=128, help="of the input: at 128 FER2013's faces are about as large as dlib's were")
    parser.add_argument("--blocks", type=int, default=2, choices=(1, 2, 3, 4), help="of 256 channels: 2 make 3.3 M, all 4 5.6 M")
    args = parser.parse_args()

    weights, digest = read_weights(args.model)
    net = Builder(weights, read_faces(args.faces, 300, args.side))
    x = net.relu("stem.relu", net.conv_norm("stem", "", "conv32_down", 0, 2, (0, 0, 0, 0)))
    value = sliding_window_view(net.values[x], (3, 3), axis=(2, 3))[:, :, ::2, ::2].max((4, 5))
    x = net.add("stem.pool", "max_pool", [x], value, kernel=3, stride=2, padding=[0] * 4)
    for stage, blocks in enumerate(STAGES, 1):
        for number, theirs in enumerate(blocks[: args.blocks] if stage == 4 else blocks, 1):
            x = net.block(f"stage{stage}.block{number}", theirs, x)
    features = net.values[x].mean((2, 3))
    x = net.add("top.pool", "global_avg_pool", [x], features)
    if args.blocks == 4:
        lengths = np.linalg.norm(features @ weights["fc"], axis=1)
        print(f"descriptors of {len(lengths)} faces have lengths of {lengths.min():.2f} to {lengths.max():.2f}")
    x = net.add("top.dropout", "dropout", [x], None, rate=0.2)
    x = net.add("head", "linear", [x], None, out_features=2, bias=True)  # fer-train puts its own in this place
    net.tensors["head.weight"], net.tensors["head.bias"] = np.zeros((2, features.shape[1])), np.zeros(2)

    spec = {"architecture": "face-resnet", "resize": round(args.side * 12 / 11), "input_size": args.side, "colour": "gray",
            "scale": 1 / 255, "mean": [MEAN], "std": [1.0], "crop_margin": 0.0, "mixed_heads": [], "default_head": "none",
            "heads": [{"name": "none", "labels": ["a", "b"], "temperature": 1.0, "uncertain_below": 0.0}],
            "data_fingerprint": "", "provenance": {"weights": "face_recognition_model.bin, sha256 " + digest}}
    graph = {"version": 1, "nodes": net.nodes, "outputs": [{"head": "none", "node": x}]}
    header = {"__metadata__": {"format": "fer-checkpoint", "version": "1", "graph": json.dumps(graph), "spec": json.dumps(spec)}}
    data = b""
    for name in sorted(net.tensors):
        tensor = np.ascontiguousarray(net.tensors[name], np.float32)
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + tensor.nbytes]}
        data += tensor.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    args.out.write_bytes(struct.pack("<Q", len(text)) + text + data)
    print(f"{args.out}: {len(data) // 4:,} numbers")


if __name__ == "__main__":
    try:
        main()
    except (OSError, KeyError, ValueError) as error:
        raise SystemExit(f"face_weights: {type(error).__name__}: {error}") from None
