# Debian packages: fer (prediction, without libtorch) and fer-train (all that links libtorch).
#   cmake --build build/release && cpack --config build/release/CPackConfig.cmake -B build/packages
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/fer RENAME copyright
        COMPONENT tools)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME fer)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The fer authors <fer@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL tools)
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
include(CPack)
