#!/usr/bin/python3
"""What torchvision's VGG16 answers with weights that a formula decides (tests/support/seeded_weights.h),
for tests/infer/vgg16_parity_test.cpp. Debian: apt-get install python3-torchvision; then

    /usr/bin/python3 tests/infer/make_vgg16_outputs.py tests/infer/data/vgg16_outputs.safetensors
"""
import json
import math
import struct
import sys

import numpy
import torch
import torchvision

STRIDE = {48: 1, 96: 4, 224: 32}  # every so many-th value is kept, so that the file stays small


def uniform(name, count):
    """In [-1, 1): 24 bits of splitmix64 over FNV-1a of the name and the index."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    with numpy.errstate(over="ignore"):
        x = numpy.arange(1, count + 1, dtype=numpy.uint64)
        x = numpy.uint64(state) + x * numpy.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        x = x ^ (x >> numpy.uint64(31))
    return (x >> numpy.uint64(40)).astype(numpy.float32) * numpy.float32(2**-23) - numpy.float32(1)


def seeded(name, shape):
    values = uniform(name, math.prod(shape))
    if len(shape) > 1:
        values = values * numpy.float32(math.sqrt(6 / math.prod(shape[1:])))
    elif name.endswith(("weight", "running_var")):
        values = numpy.float32(1) + numpy.float32(0.5) * values
    else:
        values = numpy.float32(0.2) * values
    return torch.from_numpy(values.reshape(shape))


def image(side):
    return torch.from_numpy(uniform(f"input{side}", 3 * side * side).reshape(1, 3, side, side)) * 1.7


outputs = {}
torch.set_num_threads(1)
for arch in ("vgg16", "vgg16_bn"):
    net = getattr(torchvision.models, arch)(weights=None).eval()
    state = net.state_dict()
    for name in state:
        if not name.endswith("num_batches_tracked"):
            state[name] = seeded(name, tuple(state[name].shape))
    net.load_state_dict(state)
    with torch.no_grad():
        for side, stride in STRIDE.items():
            features = net.features(image(side))
            print(arch, side, "features", tuple(features.shape), "std %.4f" % features.std())
            outputs[f"{arch}.features{side}"] = features.flatten()[::stride].numpy()
        logits = net(image(224))[0]
        print(arch, "logits std %.4f" % logits.std())
        outputs[f"{arch}.logits224"] = logits.numpy()

header, position = {"__metadata__": {"torchvision": torchvision.__version__}}, 0
for name, values in sorted(outputs.items()):
    header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [position, position + values.nbytes]}
    position += values.nbytes
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    for name, values in sorted(outputs.items()):
        file.write(numpy.ascontiguousarray(values).tobytes())
