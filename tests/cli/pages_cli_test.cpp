// What packages take from every program: its manual page and its completion.
#include <catch2/catch.hpp>
#include <filesystem>
#include <regex>

#include "fer/core/text.h"
#include "support/program.h"

using namespace fer;
using namespace fer::test;

namespace {

// Programs, and commands of those that have several.
std::vector<std::string> commands() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(FER_BIN_DIR)) {
    const std::string name = entry.path().filename().string();
    if (name == "fer-data") {
      for (const char* command : {"audit", "info", "sheet", "synth"}) {
        found.push_back(name + " " + command);
      }
    } else if (name.starts_with("fer-")) {
      found.push_back(name);
    }
  }
  return found;
}

}  // namespace

TEST_CASE("every program's manual page and completion know each flag of its help") {
  const TemporaryFolder scratch;
  REQUIRE_FALSE(commands().empty());
  for (const std::string& name : commands()) {
    CAPTURE(name);
    const std::string command = std::string(FER_BIN_DIR) + "/" + name;
    const std::string help = run_shell(command + " --help", scratch.path()).out;
    const std::string page = run_shell(command + " --man-page", scratch.path()).out;
    CHECK_THAT(page, Catch::StartsWith(".TH FER\\-"));
    const std::string plain = replace_all(page, "\\-", "-");
    CHECK_THAT(plain, Catch::Contains(".SH EXAMPLES"));
    const std::string completion = run_shell(command + " --bash-completion", scratch.path()).out;
    const std::regex flag("^  (?:-., ?)?(--[a-z0-9-]+)");
    int flags = 0;
    for (const std::string& line : split(help, '\n')) {
      std::smatch match;
      if (!std::regex_search(line, match, flag)) continue;
      ++flags;
      CHECK_THAT(plain, Catch::Contains("\\fB" + match[1].str() + "\\fR"));
      CHECK_THAT(completion, Catch::Contains(match[1].str()));
    }
    CHECK(flags >= 4);
    write_text(scratch / "completion", completion);
    const auto answer = run_shell("bash -c 'source ./completion; COMP_WORDS=(" + name +
                                      " --ver); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _" +
                                      replace_all(replace_all(name, "-", "_"), " ", "_") +
                                      "; echo ${COMPREPLY[0]}'",
                                  scratch.path());
    CHECK_THAT(answer.out, Catch::StartsWith("--ver"));
  }
}

TEST_CASE("fer-data completes its commands, and the flags of each") {
  const TemporaryFolder scratch;
  const auto completed = [&](const std::string& words) {
    return run_shell(
               "PATH='" + std::string(FER_BIN_DIR) +
                   ":'$PATH bash -c 'source <(fer-data --bash-completion); COMP_WORDS=(" + words +
                   "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _fer_data; echo ${COMPREPLY[0]}'",
               scratch.path())
        .out;
  };
  CHECK(completed("fer-data in") == "info\n");
  CHECK(completed("fer-data audit --fail") == "--fail-on-leak\n");
  CHECK(completed("fer-data audit faces.csv --htm") == "--html\n");
}

TEST_CASE("the examples of every help are commands that the program takes") {
  for (const std::string& name : commands()) {
    const std::string program = std::string(FER_BIN_DIR) + "/";
    const std::string help = run_shell(program + name + " --help", FER_SOURCE_DIR).out;
    const auto examples = help.find("\nExamples:\n");
    REQUIRE(examples != std::string::npos);
    int tried = 0;
    for (std::string line : split(help.substr(examples + 1), '\n')) {
      line = trim(line);
      if (!line.starts_with(name)) continue;  // a pipe into it
      line = trim(line.substr(0, std::min(line.find("  "), line.find_first_of("|>#"))));
      INFO(line);
      const auto result = run_shell(program + line + " --print-config", FER_SOURCE_DIR);
      INFO(result.err);
      CHECK(result.exit_code == 0);
      CHECK(result.err.empty());
      ++tried;
    }
    CHECK(tried >= 1);
  }
}
