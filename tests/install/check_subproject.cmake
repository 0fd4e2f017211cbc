# Builds a project that takes fer in by add_subdirectory and installs it: the program runs, and nothing of fer is
# installed with it or changes the project.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)
file(REMOVE_RECURSE ${WORK_DIR})
set(off)
foreach(part TRAINING VISION INFER ONNX LIVE HDF5)
  list(APPEND off -DFER_WITH_${part}=OFF)
endforeach()
# As a host without wishes of its own, and then as one whose compiler's work is at hand already.
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/subproject -B ${WORK_DIR}/plain -DFER=${SOURCE_DIR} ${off})
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/subproject -B ${WORK_DIR}/build -DFER=${SOURCE_DIR} ${off}
    -DCMAKE_BUILD_TYPE=Release -DFER_WERROR=ON -DHOST_CMAKE_BUILD_TYPE=Release
    -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -DHOST_CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER})
if(EXISTS ${WORK_DIR}/build/CPackConfig.cmake)
  message(FATAL_ERROR "fer packages its host")
endif()
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build --parallel 2)
run(${CMAKE_COMMAND} --install ${WORK_DIR}/build --prefix ${WORK_DIR}/prefix)
file(GLOB_RECURSE installed RELATIVE ${WORK_DIR}/prefix ${WORK_DIR}/prefix/*)
if(NOT installed STREQUAL "bin/user")
  message(FATAL_ERROR "installed: ${installed}")
endif()
run(${WORK_DIR}/prefix/bin/user)
if(NOT output MATCHES "^2[0-9][0-9][0-9][0-9][0-9][0-9] parameters")
  message(FATAL_ERROR "unexpected output: ${output}")
endif()
