// fer-mcp: a local door for AI assistants, by the Model Context Protocol.
#include <iostream>

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/mcp/recognizer_tools.h"
#include "program.h"
#include "recognizer_options.h"
#include "stoppable_input.h"

namespace {

using namespace fer;
using namespace fer::tools;

constexpr const char* kExamples =
    "  fer-mcp ~/Pictures                  # as the command of a client's configuration\n"
    "  claude mcp add fer -- fer-mcp ~/Pictures ~/Videos\n";

int serve(int argc, char** argv) {
  std::vector<std::string> folders;
  RecognizerFlags recognizer_flags;
  Options options("fer-mcp",
                  "Answers AI assistants (Model Context Protocol, on standard input and output): "
                  "text and JSON, never a picture.",
                  kExamples);
  options.add_positional("folders", &folders,
                         "the folders whose photos and videos they may ask for");
  add_recognizer_options(options, recognizer_flags);
  options.add_config_options();
  options.parse(argc, argv);
  if (folders.empty()) fail_input("name the folders that are open to assistants");

  Recognizer recognizer = open_recognizer(recognizer_flags);
  const McpServer server("fer", "Facial expression recognition", recognizer_instructions(),
                         recognizer_tools(recognizer, {folders.begin(), folders.end()}));
  install_stop_handler();
  StoppableInput buffer;
  std::istream input(&buffer);
  log_info("fer-mcp waits for an assistant; nothing is stored");
  server.serve(input, std::cout, stop_requested);
  return stop_requested() ? 130 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("fer-mcp", [&] { return serve(argc, argv); });
}
