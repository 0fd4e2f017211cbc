// What an AI assistant may ask of a recognizer: names of expressions and numbers for photos and
// videos in folders that were opened to it. It gets text and JSON, never a picture, and nothing is
// written.
#pragma once

#include <filesystem>
#include <vector>

#include "fer/mcp/mcp_server.h"
#include "fer/vision/recognizer.h"

namespace fer {

// classify_faces, follow_video and describe_model; docs/prediction.md says what they take and give.
// Throws kInput when one of the folders is none. No file is opened but photos and videos that lie
// in them, links that lead elsewhere left out; who may write there could still exchange a file
// between the look at it and its opening. The recognizer must outlive the tools.
std::vector<McpTool> recognizer_tools(Recognizer& recognizer,
                                      const std::vector<std::filesystem::path>& folders);

// For McpServer: what the answers mean, and what they are not to be used for.
std::string recognizer_instructions();

}  // namespace fer
