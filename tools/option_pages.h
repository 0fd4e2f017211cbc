// What packages ship beside a program, made of its options.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace fer::tools {

// A manual page in roff. purpose: what the program does, its first sentence in a line; examples: a
// command a line.
std::string man_page(const CLI::App& app, const std::string& purpose, const std::string& examples);
// For bash: flags after a hyphen, files elsewhere.
std::string bash_completion(const CLI::App& app);

}  // namespace fer::tools
