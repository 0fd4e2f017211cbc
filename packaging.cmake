# Debian packages: fer (prediction, without libtorch), fer-train (all that links libtorch) and libfer-dev (for programs
# that embed fer).
#   cmake --build build/release && cpack --config build/release/CPackConfig.cmake -B build/packages
foreach(pair tools:fer train:fer-train dev:libfer-dev)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 component)
  list(GET pair 1 package)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} RENAME copyright
          COMPONENT ${component})
endforeach()
install(DIRECTORY configs datasets DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/fer-train/examples COMPONENT train)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME fer)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The fer authors <fer@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL tools dev)
if(TARGET fer_nn)
  list(APPEND CPACK_COMPONENTS_ALL train)
endif()
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME fer)
set(CPACK_COMPONENT_TOOLS_DESCRIPTION
    "Facial expression recognition on photos and videos\n Native programs that find faces and classify their expression, offline.")
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS "opencv-data")  # the face detector where YuNet is not at hand
set(CPACK_DEBIAN_TOOLS_PACKAGE_RECOMMENDS "gnuplot-nox")  # plots

set(CPACK_DEBIAN_TRAIN_PACKAGE_NAME fer-train)
set(CPACK_COMPONENT_TRAIN_DESCRIPTION
    "Training of facial expression networks\n Trains, evaluates and measures networks for fer with libtorch.")
set(CPACK_DEBIAN_TRAIN_PACKAGE_DEPENDS "fer (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_TRAIN_PACKAGE_RECOMMENDS "gnuplot-nox, libopenblas0-openmp")  # the reference BLAS is slow

# The libraries are static: a program links what they link, so that libfer-dev asks for all of it but what fer::nn and
# fer::keras alone need.
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libfer-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_COMPONENT_DEV_DESCRIPTION
    "Facial expression recognition for C++ programs\n Headers, static libraries and find_package(fer).")
set(needed nlohmann-json3-dev)
foreach(library core vision track batch mcp infer onnx engine predict live)
  if(TARGET fer_${library})
    get_target_property(linked fer_${library} LINK_LIBRARIES)
    foreach(pair "PNG:libpng-dev" "spdlog:libspdlog-dev" "opencv_core:libopencv-dev" "fer_dnnl:libdnnl-dev"
                 "fer_libonnx:libonnx-dev, libprotobuf-dev" "OpenSSL:libssl-dev" "chafa:libchafa-dev, libglib2.0-dev")
      string(REGEX REPLACE ":.*" "" name ${pair})
      string(REGEX REPLACE ".*:" "" packages ${pair})
      if("${linked}" MATCHES ${name})
        list(APPEND needed ${packages})
      endif()
    endforeach()
  endif()
endforeach()
list(REMOVE_DUPLICATES needed)
list(JOIN needed ", " CPACK_DEBIAN_DEV_PACKAGE_DEPENDS)
set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "fer (= ${PROJECT_VERSION})")  # with the shipped model and YuNet
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "libtorch-dev, libhdf5-dev")
include(CPack)
