# For find_package(Torch): the libtorch inside a Python package, without the CUDA toolkit and the compiler for it that the
# package's own configuration asks for; our code has no CUDA of its own. FER_TORCH: the package's folder.
set(FER_TORCH "" CACHE PATH "Folder of Python's torch")
set(root "${FER_TORCH}")
set(libraries "")
foreach(name torch_cuda c10_cuda torch_cpu c10)
  if(EXISTS "${root}/lib/lib${name}.so")
    list(APPEND libraries "${root}/lib/lib${name}.so")
  endif()
endforeach()
if(NOT EXISTS "${root}/include/ATen/ATen.h" OR NOT libraries)
  set(Torch_FOUND FALSE)
  set(Torch_NOT_FOUND_MESSAGE "FER_TORCH='${root}' is no folder of Python's torch")
  return()
endif()
if(NOT TARGET torch)
  add_library(torch INTERFACE IMPORTED GLOBAL)
  # Nothing of ours calls libtorch_cuda by name: it is there to be found at run time.
  set_target_properties(torch PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${root}/include;${root}/include/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES "-Wl,--no-as-needed;${libraries};-Wl,--allow-shlib-undefined")
endif()
set(Torch_FOUND TRUE)
