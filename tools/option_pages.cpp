#include "option_pages.h"

#include <CLI/CLI.hpp>
#include <cctype>

#include "fer/core/text.h"
#include "fer/core/version.h"

namespace fer::tools {
namespace {

// Text as it may stand in a manual page: a hyphen is a minus, a line may begin with a dot.
std::string roff(std::string text) {
  text = replace_all(replace_all(text, "\\", "\\e"), "-", "\\-");
  text = replace_all(text, "\n", "\n\\&");
  return text.starts_with(".") || text.starts_with("'") ? "\\&" + text : text;
}

}  // namespace

std::string man_page(const CLI::App& app, const std::string& purpose, const std::string& examples) {
  std::string title = replace_all(app.get_name(), " ", "-");
  for (char& c : title) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string page = ".TH " + roff(title) + " 1 \"\" \"fer " + version() +
                     "\" \"User Commands\"\n.SH NAME\n" + roff(app.get_name()) + " \\- " +
                     roff(trim(purpose.substr(0, purpose.find_first_of(".;")))) +
                     "\n.SH SYNOPSIS\n.B " + roff(app.get_name()) + "\n[\\fIoptions\\fR]";
  std::string positionals, options, group;
  for (const CLI::Option* option : app.get_options()) {
    std::string names;
    for (const std::string& name : option->get_snames()) names += ", \\fB\\-" + roff(name) + "\\fR";
    for (const std::string& name : option->get_lnames())
      names += ", \\fB\\-\\-" + roff(name) + "\\fR";
    if (option->get_positional()) {
      page += " [\\fI" + roff(option->get_name()) + "\\fR...]";
      positionals += ".TP\n\\fI" + roff(option->get_name()) + "\\fR\n" +
                     roff(option->get_description()) + "\n";
    }
    if (!names.empty() && !option->get_group().empty()) {
      if (option->get_group() != group) options += ".SS " + roff(option->get_group()) + "\n";
      group = option->get_group();
      options += ".TP\n" + names.substr(2) + "\n" + roff(option->get_description());
      if (!option->get_default_str().empty()) {
        options += " (default: " + roff(option->get_default_str()) + ")";
      }
      options += "\n";
    }
  }
  return page + "\n.SH DESCRIPTION\n" + roff(purpose) + "\n" + positionals + ".SH OPTIONS\n" +
         options + ".SH EXAMPLES\n.nf\n" + roff(trim(examples)) + "\n" +
         ".fi\n.SH EXIT STATUS\n0 done; 1 failed at run time or partly; 2 wrong usage, "
         "configuration or data; 3 a bar asked for was missed; 130 interrupted\n";
}

std::string bash_completion(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  const std::string name = app.get_name(),
                    function = "_" + replace_all(replace_all(name, "-", "_"), " ", "_");
  return function + "() {\n  local word=${COMP_WORDS[COMP_CWORD]}\n" +
         "  [[ $word == -* ]] && mapfile -t COMPREPLY < <(compgen -W '" + join(flags, " ") +
         "' -- \"$word\")\n}\ncomplete -o default -F " + function + " " + name + "\n";
}

}  // namespace fer::tools
