// The Model Context Protocol (modelcontextprotocol.io, revisions 2024-11-05 to 2025-11-25), by
// which an AI assistant calls tools on this machine: a JSON-RPC 2.0 message a line. The protocol
// alone; what the tools do is theirs.
#pragma once

#include <functional>
#include <iosfwd>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace fer {

struct McpResult {
  std::string text;                   // for the assistant to read
  nlohmann::ordered_json structured;  // an object, as the tool's output_schema has it
};

struct McpTool {
  // How much is done, of how much (0: unknown); a client that has asked to hears of it as it grows.
  // To be called often: what it throws ends the call, where the server is to stop or the client
  // wants no answer any more, and a client's ping is answered by it.
  using Report = std::function<void(std::int64_t done, std::int64_t total)>;

  std::string name, title, description;
  nlohmann::ordered_json input_schema, output_schema;  // JSON Schema, of objects
  // Throws std::exception where there is no result: the assistant reads why.
  std::function<McpResult(const nlohmann::json& arguments, const Report& report)> call;
};

class McpServer {
 public:
  // title, instructions: what client and assistant are told of the whole.
  McpServer(std::string name, std::string title, std::string instructions,
            std::vector<McpTool> tools);

  // Until the input ends, or `stopping` says so, also within a call; kRuntime when a message cannot
  // be written. Calls are answered one after the other, in their order; pings and cancellations are
  // heard within one, too, where the input's buffer says what has come (in_avail()).
  void serve(
      std::istream& input, std::ostream& output,
      const std::function<bool()>& stopping = [] { return false; }) const;

 private:
  using Json = nlohmann::ordered_json;
  struct Client;                                               // on the other side of the pipe
  Json answer(const std::string& line, Client& client) const;  // null where there is none
  Json answer(const nlohmann::json& message, Client& client) const;
  Json initialize(const nlohmann::json& params) const;
  Json list() const;
  Json call(const Json& id, const nlohmann::json& params, Client& client) const;
  void listen(const Json& id, Client& client) const;  // within the call with this id

  std::string name_, title_, instructions_;
  std::vector<McpTool> tools_;
};

}  // namespace fer
