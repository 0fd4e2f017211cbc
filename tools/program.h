// How a program runs and ends, the same for all of them.
#pragma once

#include <functional>
#include <string>

namespace fer::tools {

// Runs a main: errors become one line on stderr and the house's exit codes; output that cannot be
// written is one of them.
int run_program(const std::string& name, const std::function<int()>& body);

// For programs that have more to do when what they print is read no further (| head): files to
// write, an exit code to give.
void outlive_reader();

// After install_stop_handler() the first SIGINT, SIGTERM or SIGHUP (a closed terminal; not under
// nohup) asks to stop; a second SIGINT or SIGTERM ends the process at once with 130.
void install_stop_handler();
bool stop_requested();

}  // namespace fer::tools
