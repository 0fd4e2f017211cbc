# version.cpp with the version and the commit of SOURCE (or the given FER_COMMIT); left alone where it says so already.
if(NOT FER_COMMIT)
  execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --exclude=*
                  OUTPUT_VARIABLE FER_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT FER_COMMIT)
  set(FER_COMMIT unknown)
endif()
configure_file(${SOURCE}/lib/fer/core/version.cpp.in ${OUTPUT} @ONLY)
