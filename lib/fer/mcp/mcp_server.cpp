#include "fer/mcp/mcp_server.h"

#include <algorithm>
#include <array>
#include <deque>
#include <istream>
#include <ostream>
#include <string_view>

#include "fer/core/error.h"
#include "fer/core/version.h"
#include "fer/model/json_reader.h"

namespace fer {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 4> kRevisions = {"2024-11-05", "2025-03-26", "2025-06-18",
                                                        "2025-11-25"};
constexpr int kMaxDepth = 32;

// Of JSON-RPC.
constexpr int kParseError = -32700, kInvalidRequest = -32600, kMethodNotFound = -32601,
              kInvalidParams = -32602;

// What makes a request fail as a whole. What goes wrong in a tool is a result.
struct Refusal {
  int code;
  std::string message;
};

// Within a call.
struct Stopped {};
struct Cancelled {};

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Absent and null are the same.
nlohmann::json object_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && !found->is_null() ? *found : nlohmann::json::object();
}

Json refusal(const Json& id, const Refusal& why) {
  return {
      {"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", why.code}, {"message", why.message}}}};
}

}  // namespace

McpServer::McpServer(std::string name, std::string title, std::string instructions,
                     std::vector<McpTool> tools)
    : name_(std::move(name)),
      title_(std::move(title)),
      instructions_(std::move(instructions)),
      tools_(std::move(tools)) {}

struct McpServer::Client {
  std::istream& input;
  std::ostream& output;
  const std::function<bool()>& stopping;
  std::deque<std::string> waiting = {};  // lines that came within a call

  bool next(std::string& line) {
    if (waiting.empty()) return static_cast<bool>(std::getline(input, line));
    line = std::move(waiting.front());
    waiting.pop_front();
    return true;
  }

  void send(const Json& message) const {
    // A path may be any bytes.
    output << message.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
    if (!output) fail_runtime("standard output cannot be written");
  }
};

void McpServer::serve(std::istream& input, std::ostream& output,
                      const std::function<bool()>& stopping) const {
  Client client{input, output, stopping};
  try {
    for (std::string line; !stopping() && client.next(line);) {
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      if (const Json reply = answer(line, client); !reply.is_null()) client.send(reply);
    }
  } catch (const Stopped&) {
  }
}

Json McpServer::answer(const std::string& line, Client& client) const {
  nlohmann::json message;
  try {
    message = parse_json(line, "message", kMaxDepth);
  } catch (const Error& error) {
    return refusal(nullptr, {kParseError, error.what()});
  }
  if (!message.is_array() || message.empty()) return answer(message, client);
  Json replies = Json::array();  // of a batch, which revision 2025-03-26 knows
  for (const auto& one : message) {
    if (Json reply = answer(one, client); !reply.is_null()) replies.push_back(std::move(reply));
  }
  return replies.empty() ? Json() : replies;
}

Json McpServer::answer(const nlohmann::json& message, Client& client) const {
  Json id;
  bool asked = true;  // a notification has no id and gets no answer
  try {
    if (!message.is_object()) throw Refusal{kInvalidRequest, "a message is a JSON object"};
    const auto given = message.find("id");
    asked = given != message.end();
    if (asked) {
      if (!given->is_string() && !given->is_number_integer())
        throw Refusal{kInvalidRequest, "id: expected a text or a whole number"};
      id = *given;
    }
    if (text_of(message, "jsonrpc") != "2.0") throw Refusal{kInvalidRequest, "jsonrpc: not 2.0"};
    const std::string method = text_of(message, "method");
    if (method.empty()) throw Refusal{kInvalidRequest, "method: expected a text"};
    if (!asked) return {};
    const nlohmann::json params = object_of(message, "params");
    if (!params.is_object()) throw Refusal{kInvalidParams, "params: expected an object"};
    const Json result = method == "initialize"   ? initialize(params)
                        : method == "ping"       ? Json::object()
                        : method == "tools/list" ? list()
                        : method == "tools/call"
                            ? call(id, params, client)
                            : throw Refusal{kMethodNotFound, "there is no method " + quote(method)};
    return {{"jsonrpc", "2.0"}, {"id", id}, {"result", result}};
  } catch (const Refusal& why) {
    return asked ? refusal(id, why) : Json();
  } catch (const Cancelled&) {
    return {};
  }
}

void McpServer::listen(const Json& id, Client& client) const {
  const auto parsed = [](const std::string& line) {
    try {
      return parse_json(line, "message", kMaxDepth);
    } catch (const Error&) {
      return nlohmann::json();  // whose turn comes
    }
  };
  const auto id_of = [](const nlohmann::json& object, const char* key) {
    return object.is_object() && object.contains(key) ? Json(object[key]) : Json();
  };
  for (std::string line;
       client.input.rdbuf()->in_avail() > 0 && std::getline(client.input, line);) {
    const nlohmann::json message = parsed(line);
    const std::string method = message.is_object() ? text_of(message, "method") : "";
    if (method == "ping") {
      if (const Json reply = answer(message, client); !reply.is_null()) client.send(reply);
    } else if (method == "notifications/cancelled") {
      const Json cancelled = id_of(object_of(message, "params"), "requestId");
      if (cancelled == id) throw Cancelled();
      std::erase_if(client.waiting, [&](const std::string& other) {
        return !cancelled.is_null() && id_of(parsed(other), "id") == cancelled;
      });
    } else {
      client.waiting.push_back(line);
    }
  }
}

Json McpServer::initialize(const nlohmann::json& params) const {
  // A client that knows none of ours is told the newest and decides for itself.
  const std::string wanted = text_of(params, "protocolVersion");
  const bool known = std::ranges::count(kRevisions, wanted) > 0;
  return {{"protocolVersion", known ? wanted : std::string(kRevisions.back())},
          {"capabilities", {{"tools", Json::object()}}},
          {"serverInfo", {{"name", name_}, {"title", title_}, {"version", version()}}},
          {"instructions", instructions_}};
}

Json McpServer::list() const {
  Json tools = Json::array();
  for (const McpTool& tool : tools_) {
    tools.push_back({{"name", tool.name},
                     {"title", tool.title},
                     {"description", tool.description},
                     {"inputSchema", tool.input_schema},
                     {"outputSchema", tool.output_schema},
                     {"annotations", {{"readOnlyHint", true}, {"openWorldHint", false}}}});
  }
  return {{"tools", tools}};
}

Json McpServer::call(const Json& id, const nlohmann::json& params, Client& client) const {
  const std::string name = text_of(params, "name");
  const auto tool = std::ranges::find(tools_, name, &McpTool::name);
  if (tool == tools_.end()) throw Refusal{kInvalidParams, "there is no tool " + quote(name)};
  const nlohmann::json arguments = object_of(params, "arguments");

  Json token;
  if (const auto meta = object_of(params, "_meta");
      meta.is_object() && meta.contains("progressToken")) {
    if (const auto& given = meta["progressToken"]; given.is_string() || given.is_number_integer())
      token = given;
  }
  std::int64_t told = 0;
  const McpTool::Report report = [&](std::int64_t done, std::int64_t total) {
    if (client.stopping()) throw Stopped();
    listen(id, client);
    if (token.is_null() || done <= told) return;
    told = done;
    Json progress = {{"progressToken", token}, {"progress", done}};
    if (total > 0) progress["total"] = total;
    client.send({{"jsonrpc", "2.0"}, {"method", "notifications/progress"}, {"params", progress}});
  };
  const auto content = [](const std::string& text) {
    return Json::array({{{"type", "text"}, {"text", text}}});
  };
  McpResult result;
  try {
    if (!arguments.is_object()) fail_input("arguments: expected an object");
    result = tool->call(arguments, report);
  } catch (const std::exception& error) {
    return {{"content", content(error.what())}, {"isError", true}};
  }
  return {{"content", content(result.text)},
          {"structuredContent", std::move(result.structured)},
          {"isError", false}};
}

}  // namespace fer
