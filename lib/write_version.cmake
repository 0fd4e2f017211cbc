# version.cpp with the version and the commit of SOURCE (or the given FER_COMMIT); left alone where it says so already.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --exclude=*
                OUTPUT_VARIABLE asked OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT FER_COMMIT)
  set(FER_COMMIT ${asked})
elseif(asked AND NOT asked STREQUAL FER_COMMIT)
  message(WARNING "fer: FER_COMMIT is ${FER_COMMIT}, git says ${asked}; the programs will name FER_COMMIT")
endif()
if(NOT FER_COMMIT)
  set(FER_COMMIT unknown)
endif()
configure_file(${SOURCE}/lib/fer/core/version.cpp.in ${OUTPUT} @ONLY)
