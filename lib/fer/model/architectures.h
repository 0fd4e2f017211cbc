// Networks by name: one short function an architecture, each in its own file (cnn.cpp, compact.cpp,
// ...).
#pragma once

#include <string>
#include <vector>

#include "fer/model/graph.h"
#include "fer/model/spec.h"

namespace fer {

struct HeadShape {
  std::string name;  // of the output
  int classes = 0;
};

struct ArchitectureOptions {
  std::string name = "compact";
  int input_size =
      0;             // side of the square input; 0: the architecture's own (see default_input_size)
  int channels = 0;  // of the input: 1 or 3; 0: own (3 where there are published weights, else 1)
  std::string variant;  // resnet50v2: keras (also when empty) or timm
  std::vector<HeadShape> heads;
  // Channels of each stage (resnet50v2: of the 3x3 convolutions); empty: the architecture's own.
  // Thinner nets than the published ones are for tests and small machines.
  std::vector<int> stages;
  // cnn: convolutions, compact: residual blocks; of each stage, or one number for all. 0: own;
  // empty: all own.
  std::vector<int> blocks;
  std::vector<int> dense;    // cnn, cnn-large, vgg16: widths of the dense layers before the head
  bool dense_given = false;  // so that an empty list can mean "none"
  float dropout = -1.0f;     // before the head (and between dense layers); < 0: own
  bool squeeze_excitation = false;  // compact: a channel gate at the end of every residual branch
};

std::vector<std::string> architecture_names();
// Side of the input when ArchitectureOptions::input_size is 0: cnn-large 40, compact 44, others 48.
int default_input_size(const std::string& architecture);

// What the weights of a family expect: (byte * scale - mean[c]) / std[c], for three channels in the
// order of the net's own.
struct Scaling {
  float scale = 1.0f / 255.0f;
  std::vector<float> mean = {0.5f, 0.5f, 0.5f};
  std::vector<float> std = {0.25f, 0.25f, 0.25f};
  bool operator==(const Scaling&) const = default;
};
// vgg16, vgg16_bn: torchvision's mean and deviation of ImageNet; resnet50v2: [-1, 1].
Scaling default_scaling(const std::string& architecture);
// Colour, scale, mean and std of a net that is trained on gray faces, repeated where it has three
// channels. For one channel the means of the three.
void set_scaling(ModelSpec& spec, const Scaling& scaling, int channels);

// Throws kInput on an unknown name (naming the nearest), no heads, or an input too small for the
// stages.
Graph make_architecture(const ArchitectureOptions& options);

// cnn: the classic from-scratch network; 3x3 convolutions with batch norm and ReLU, max pooling and
// dropout after each stage (64-128-256, two each), dense layers (256), head.
Graph make_cnn(const ArchitectureOptions& options);
// cnn-large: the FER2013 VGGNet layout of Khaireddin & Chen 2021 (arXiv:2105.03588): stages
// 64-128-256-512 of two convolutions with batch norm, max pooling, dense 4096-4096 with dropout;
// about 29.9 M parameters at 40 px.
Graph make_cnn_large(const ArchitectureOptions& options);
// compact: a residual net (He et al. 2016, basic blocks) of 32-64-128-256 with blocks 1-2-2-2,
// stride 1 stem, 1x1 projection on the strided shortcuts, global average pooling: 2.8 M.
Graph make_compact(const ArchitectureOptions& options);
// `compact` with one more block at the end of a stage (from 1), gated as the stage's others are.
// Throws kInput where it has no such stage.
Graph deepen_compact(const Graph& compact, int stage);
// `compact` with other channels in its stages; the nodes and their names stay. Throws kInput where
// it has another number of stages, or more channels in one.
Graph widen_compact(const Graph& compact, const std::vector<int>& stages);
// Of a node of `compact`, from 1; the stem belongs to the first stage, and 0 is after the last.
int compact_stage(const std::string& node_name);
// vgg16, vgg16_bn: configuration D of Simonyan & Zisserman 2015 (arXiv:1409.1556),
// 64-128-256-512-512 with 2-2-3-3-3 convolutions of 3x3 (bias; batch norm in vgg16_bn as
// torchvision has it), max pooling, global average pooling, dropout, head. With `dense` {4096,
// 4096} and 224 px the published top instead of the pooling. 14,714,688 parameters without top.
Graph make_vgg16(const ArchitectureOptions& options);
Graph make_vgg16_bn(const ArchitectureOptions& options);
// resnet50v2 (He et al. 2016, arXiv:1603.05027, pre-activation), 3-4-6-3 bottleneck blocks, global
// average pooling, dropout, head. Two parameterisations whose weights do not fit each other:
//   keras  Keras' ResNet50V2, layer by layer: zero padding before the stem and before its max-pool,
//          bias on the stem, the projections and each block's last convolution, epsilon 1.001e-5,
//          stride in the last block of a stage, whose shortcut is a strided max-pool. 23,564,800
//          parameters without top.
//   timm   timm's resnetv2_50: stride in the first block of a stage, no bias, epsilon 1e-5, and
//          padding of the stem's max-pool never wins.
Graph make_resnet50v2(const ArchitectureOptions& options);

}  // namespace fer
