# Writes the files of FOLDER into the C++ source OUTPUT (fer/live/web_page.h).
cmake_minimum_required(VERSION 3.25)
set(types_html "text/html; charset=utf-8")
set(types_js "text/javascript; charset=utf-8")
set(types_css "text/css; charset=utf-8")
set(types_json "application/json")
set(types_svg "image/svg+xml")
file(GLOB files RELATIVE ${FOLDER} ${FOLDER}/*)
set(arrays "")
set(table "")
foreach(file IN LISTS files)
  string(MAKE_C_IDENTIFIER ${file} name)
  string(REGEX REPLACE ".*\\." "" extension ${file})
  if(NOT DEFINED types_${extension})
    message(FATAL_ERROR "${file}: what type is served for .${extension}?")
  endif()
  file(READ ${FOLDER}/${file} bytes HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND arrays "constexpr char ${name}[] = {${bytes}};\n")
  set(path "/${file}")
  if(file STREQUAL "index.html")
    set(path "/")
  endif()
  string(APPEND table "    {\"${path}\", \"${types_${extension}}\", {${name}, sizeof(${name})}},\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from lib/fer/live/web.
#include \"fer/live/web_page.h\"

namespace fer {
namespace {
${arrays}
constexpr WebFile files[] = {
${table}};
}  // namespace

const WebFile* find_web_file(std::string_view path) {
  for (const WebFile& file : files) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

}  // namespace fer
")
