// The protocol, with a tool that echoes.
#include "fer/mcp/mcp_server.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/core/version.h"

using namespace fer;

namespace {

using Json = nlohmann::json;

McpServer server() {
  McpTool echo{"echo", "Echo", "Says it again.", {{"type", "object"}}, {{"type", "object"}}, {}};
  echo.call = [](const Json& arguments, const McpTool::Report& report) {
    if (!arguments.contains("text")) fail_input("arguments: 'text' is missing");
    report(0, 0);
    report(1, 2);
    report(1, 2);
    report(2, 0);
    return McpResult{arguments["text"], {{"said", arguments["text"]}}};
  };
  return {"toy", "Toy", "Ask it anything.", {echo}};
}

std::vector<Json> answers(const std::string& lines) {
  std::istringstream input(lines);
  std::ostringstream output;
  server().serve(input, output);
  std::vector<Json> parsed;
  for (const std::string& line : split(output.str(), '\n')) {
    if (!line.empty()) parsed.push_back(Json::parse(line));
  }
  return parsed;
}

Json answer(const Json& message) {
  const auto all = answers(message.dump() + "\n");
  REQUIRE(all.size() == 1);
  CHECK(all[0]["jsonrpc"] == "2.0");
  return all[0];
}

Json request(const std::string& method, const Json& params = Json::object()) {
  return {{"jsonrpc", "2.0"}, {"id", 7}, {"method", method}, {"params", params}};
}

}  // namespace

TEST_CASE("a client's revision is spoken where it is known, else the newest is offered") {
  for (const auto& [asked, spoken] : {std::pair("2024-11-05", "2024-11-05"),
                                      {"2025-06-18", "2025-06-18"},
                                      {"2025-11-25", "2025-11-25"},
                                      {"1999-01-01", "2025-11-25"}}) {
    const Json result = answer(request("initialize", {{"protocolVersion", asked}}))["result"];
    CHECK(result["protocolVersion"] == spoken);
    CHECK(result["capabilities"] == Json{{"tools", Json::object()}});
    CHECK(result["serverInfo"] == Json{{"name", "toy"}, {"title", "Toy"}, {"version", version()}});
    CHECK(result["instructions"] == "Ask it anything.");
  }
  CHECK(answer(request("ping"))["result"] == Json::object());
}

TEST_CASE("tools are listed with their schemas and called with their arguments") {
  const Json tools = answer(request("tools/list"))["result"]["tools"];
  REQUIRE(tools.size() == 1);
  CHECK(tools[0] == Json{{"name", "echo"},
                         {"title", "Echo"},
                         {"description", "Says it again."},
                         {"inputSchema", {{"type", "object"}}},
                         {"outputSchema", {{"type", "object"}}},
                         {"annotations", {{"readOnlyHint", true}, {"openWorldHint", false}}}});
  const Json called =
      answer(request("tools/call", {{"name", "echo"}, {"arguments", {{"text", "ho"}}}}));
  CHECK(called["id"] == 7);
  CHECK(called["result"] == Json{{"content", {{{"type", "text"}, {"text", "ho"}}}},
                                 {"structuredContent", {{"said", "ho"}}},
                                 {"isError", false}});
}

TEST_CASE("what goes wrong in a tool is a result that the assistant can read") {
  const Json result = answer(request("tools/call", {{"name", "echo"}}))["result"];
  CHECK(result["isError"] == true);
  CHECK(result["content"][0]["text"] == "arguments: 'text' is missing");
  CHECK_FALSE(result.contains("structuredContent"));
  CHECK(answer(request("tools/call", {{"name", "echo"}, {"arguments", 3}}))["result"]["isError"]);
}

TEST_CASE("progress is told to who asked for it") {
  const auto all = answers(request("tools/call", {{"name", "echo"},
                                                  {"arguments", {{"text", "ho"}}},
                                                  {"_meta", {{"progressToken", "p"}}}})
                               .dump() +
                           "\n");
  REQUIRE(all.size() == 3);
  const auto progress = [](const Json& params) {
    return Json{{"jsonrpc", "2.0"}, {"method", "notifications/progress"}, {"params", params}};
  };
  CHECK(all[0] == progress({{"progressToken", "p"}, {"progress", 1}, {"total", 2}}));
  CHECK(all[1] == progress({{"progressToken", "p"}, {"progress", 2}}));
  CHECK(all[2]["id"] == 7);
}

TEST_CASE(
    "what is no request is refused by JSON-RPC's codes, and what asks nothing is not answered") {
  const auto code = [](const Json& message) { return answer(message)["error"]["code"].get<int>(); };
  CHECK(code(request("tools/burn")) == -32601);
  CHECK(code(request("tools/call", {{"name", "burn"}})) == -32602);
  CHECK(code(request("tools/list", Json::array({1}))) == -32602);
  CHECK(code({{"jsonrpc", "2.0"}, {"id", nullptr}, {"method", "ping"}}) == -32600);
  CHECK(code({{"jsonrpc", "2.0"}, {"id", 1}}) == -32600);
  CHECK(code({{"jsonrpc", "2.0"}, {"id", 1.5}, {"method", "ping"}}) == -32600);
  CHECK(code({{"jsonrpc", "1.0"}, {"id", 1}, {"method", "ping"}}) == -32600);
  CHECK(code({{"id", 1}, {"method", "ping"}}) == -32600);
  CHECK(code(Json::array()) == -32600);
  const auto all = answers(
      "{\"jsonrpc\": \n"
      "\n"
      "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"
      "{\"jsonrpc\":\"2.0\",\"method\":\"burn\"}\n" +
      std::string(40, '[') + std::string(40, ']') + "\n" + request("ping").dump() + "\r\n");
  REQUIRE(all.size() == 3);  // the two broken ones and the ping
  CHECK(all[0]["error"]["code"] == -32700);
  CHECK(all[0]["id"] == nullptr);
  CHECK(all[1]["error"]["code"] == -32700);
  CHECK(all[2]["result"] == Json::object());
}

TEST_CASE("what is null is as what is absent, and a token of no use is none") {
  CHECK(answer(request("tools/list", nullptr))["result"]["tools"].size() == 1);
  CHECK(answer(request("tools/call", {{"name", "echo"},
                                      {"arguments", nullptr}}))["result"]["content"][0]["text"] ==
        "arguments: 'text' is missing");
  for (const Json& token : {Json(true), Json::object(), Json(nullptr)}) {
    CHECK(answer(request("tools/call", {{"name", "echo"},
                                        {"arguments", {{"text", "ho"}}},
                                        {"_meta", {{"progressToken", token}}}}))["id"] == 7);
  }
}

TEST_CASE("a batch is answered as one") {
  const Json notice = {{"jsonrpc", "2.0"}, {"method", "notifications/initialized"}};
  const auto all = answers(Json{request("ping"), notice, 3, request("tools/list")}.dump() + "\n" +
                           Json::array({notice}).dump() + "\n");
  REQUIRE(all.size() == 1);
  REQUIRE(all[0].size() == 3);
  CHECK(all[0][0]["result"] == Json::object());
  CHECK(all[0][1]["error"]["code"] == -32600);
  CHECK(all[0][2]["result"].contains("tools"));
}

TEST_CASE("who serves may stop, also within a call") {
  std::ostringstream output;
  int left = 2;  // asked before the first message, and by the first report
  std::istringstream input(
      request("tools/call", {{"name", "echo"}, {"arguments", {{"text", "ho"}}}}).dump() + "\n" +
      request("ping").dump() + "\n");
  server().serve(input, output, [&] { return --left <= 0; });
  CHECK(output.str().empty());
  CHECK(left == 0);
}

TEST_CASE("within a call a ping is answered, and what is cancelled gets no answer") {
  const auto numbered = [](int id, const std::string& method, const Json& params) {
    return Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}}.dump() +
           "\n";
  };
  const auto echo = [&](int id) {
    return numbered(id, "tools/call", {{"name", "echo"}, {"arguments", {{"text", "ho"}}}});
  };
  const auto cancel = [](const Json& id) {
    return Json{{"jsonrpc", "2.0"},
                {"method", "notifications/cancelled"},
                {"params", {{"requestId", id}, {"reason", "enough"}}}}
               .dump() +
           "\n";
  };
  const auto ids = [](const std::string& lines) {
    std::vector<Json> result;
    for (const Json& answer : answers(lines)) result.push_back(answer["id"]);
    return result;
  };
  const std::string ping = numbered(2, "ping", Json::object());
  CHECK(ids(echo(1) + "{\n" + echo(3) + ping) == std::vector<Json>{2, 1, nullptr, 3});
  CHECK(ids(echo(1) + echo(3) + cancel(1) + ping) == std::vector<Json>{2, 3});
  CHECK(ids(echo(1) + echo(3) + echo(4) + cancel(3)) == std::vector<Json>{1, 4});
  CHECK(ids(echo(1) + cancel("1") + cancel(7) + cancel(nullptr) + "[]\n") ==
        std::vector<Json>{1, nullptr});
  CHECK(ids(cancel(1) + echo(1)) == std::vector<Json>{1});
}

TEST_CASE("a text that is no UTF-8 does not end the service") {
  McpTool odd{"odd", "", "", {}, {}, {}};
  odd.call = [](const Json&, const McpTool::Report&) {
    return McpResult{"caf\xE9", {{"path", "caf\xE9"}}};
  };
  std::istringstream input(request("tools/call", {{"name", "odd"}}).dump() + "\n");
  std::ostringstream output;
  McpServer("toy", "", "", {odd}).serve(input, output);
  CHECK(Json::parse(output.str())["result"]["content"][0]["text"] == "caf\xEF\xBF\xBD");
}

TEST_CASE("a client that does not read any more ends the service") {
  std::istringstream input(request("ping").dump() + "\n");
  std::ostringstream output;
  output.setstate(std::ios::badbit);
  CHECK_THROWS_WITH(server().serve(input, output), "standard output cannot be written");
}
