// Networks by name: one short function an architecture, each in its own file (cnn.cpp, compact.cpp, ...).
#pragma once

#include <string>
#include <vector>

#include "fer/model/graph.h"

namespace fer {

struct HeadShape {
  std::string name;  // of the output
  int classes = 0;
};

struct ArchitectureOptions {
  std::string name = "compact";
  int input_size = 0;   // side of the square input; 0: the architecture's own (see default_input_size)
  int channels = 1;
  std::vector<HeadShape> heads;
  // cnn, cnn-large, compact: channels of each stage; empty: the architecture's own.
  std::vector<int> stages;
  int blocks = 0;                 // cnn: convolutions a stage; compact: residual blocks a stage; 0: own
  std::vector<int> dense;         // cnn, cnn-large: widths of the dense layers before the head
  bool dense_given = false;       // so that an empty list can mean "none"
  float dropout = -1.0f;          // before the head (and between dense layers); < 0: own
  bool squeeze_excitation = false;  // compact: a channel gate at the end of every residual branch
};

std::vector<std::string> architecture_names();
// Side of the input when ArchitectureOptions::input_size is 0: cnn 48, cnn-large 40, compact 44.
int default_input_size(const std::string& architecture);
// Throws kInput on an unknown name (naming the nearest), no heads, or an input too small for the stages.
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

}  // namespace fer
