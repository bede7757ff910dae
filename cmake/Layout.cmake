# backbuf_cuda_layout(OUT FROM JSON NAMESPACE NS): writes the CUDA header OUT of a stored layout at build time, by
# backbuf::layout. Relative paths: OUT is in the current binary folder, JSON in the current source folder. Add OUT to the
# sources of the target that includes it.
function(backbuf_cuda_layout out)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FROM;NAMESPACE" "")
  foreach(word FROM NAMESPACE)
    if(NOT arg_${word})
      message(FATAL_ERROR "backbuf_cuda_layout(${out}): ${word} is missing; backbuf_cuda_layout(OUT FROM JSON NAMESPACE NS)")
    endif()
  endforeach()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "backbuf_cuda_layout(${out}): unknown words: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  cmake_path(ABSOLUTE_PATH out BASE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  cmake_path(ABSOLUTE_PATH arg_FROM BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  cmake_path(GET out PARENT_PATH folder)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(OUTPUT ${out}
    COMMAND backbuf::layout emit ${arg_FROM} --namespace ${arg_NAMESPACE} --output ${out}
    DEPENDS ${arg_FROM} $<TARGET_FILE:backbuf::layout>
    COMMENT "Laying out ${arg_NAMESPACE}" VERBATIM)
endfunction()
