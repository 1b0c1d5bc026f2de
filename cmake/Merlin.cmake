# Helpers shared by all CMakeLists: warning flags, sanitizers, and one function per kind of target.

include(CheckCXXCompilerFlag)

add_library(merlin_flags INTERFACE)
target_compile_options(merlin_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror
  -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false positives of these deep inside inlined library code.
  target_compile_options(merlin_flags INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds
    -Wno-dangling-pointer)
endif()
if(MERLIN_SANITIZE)
  target_compile_options(merlin_flags INTERFACE -fsanitize=${MERLIN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(merlin_flags INTERFACE -fsanitize=${MERLIN_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio uses atomic_thread_fence, which GCC's thread sanitizer cannot follow.
    target_compile_options(merlin_flags INTERFACE -Wno-tsan)
  endif()
endif()

find_program(MERLIN_MOLD mold)
if(MERLIN_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# merlin_room(NAME ROOMS... [LIBS libs...]): a static library of all sources in the current folder (with sub-folders when
# RECURSE is given), which may include the named rooms.
function(merlin_room name)
  cmake_parse_arguments(ARG "RECURSE" "" "ROOMS;LIBS" ${ARGN})
  if(ARG_RECURSE)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  else()
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  if(NOT sources)
    return()
  endif()
  add_library(merlin_${name} STATIC ${sources})
  target_include_directories(merlin_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(merlin_${name} PUBLIC merlin_flags ${ARG_LIBS})
  foreach(room ${ARG_ROOMS})
    if(TARGET merlin_${room})
      target_link_libraries(merlin_${name} PUBLIC merlin_${room})
    endif()
  endforeach()
endfunction()

# merlin_test(NAME ROOMS ... [LIBS ...] [SOURCES ...]): one GoogleTest binary of all *_test.cpp in the current folder.
function(merlin_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "ROOMS;LIBS;SOURCES" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp)
  endif()
  if(NOT ARG_SOURCES)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE merlin_flags GTest::gtest GTest::gmock GTest::gtest_main ${ARG_LIBS})
  foreach(room ${ARG_ROOMS})
    target_link_libraries(${name} PRIVATE merlin_${room})
  endforeach()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()
