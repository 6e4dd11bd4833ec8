# Programs for the Linux ABI: ordinary C programs upon musl, and busybox as the shell and the tools.
# Both come from the distribution (./thrum doctor names the packages). -DTHRUM_LINUX=OFF leaves them
# out, and the native programs of userland/ are all there is.
#
#     thrum_add_program(NAME source... [GUESTDIR dir])
#
# makes a static program, at GUESTDIR/NAME in the guest (/bin unless said). The target thrum_musl is
# how one compiles and links for musl; thrum_add_busybox() puts busybox and its names into /bin.

option(THRUM_LINUX "Programs upon musl, and busybox as shell and tools" ON)
if(NOT THRUM_LINUX)
  return()
endif()

function(thrum_linux_lacks what)
  message(FATAL_ERROR "${what} is missing: ./thrum doctor says which package has it. "
    "Without musl and busybox Thrum builds with -DTHRUM_LINUX=OFF.")
endfunction()

# Where Debian, Fedora and Arch have it; never the host's own C library.
find_path(THRUM_MUSL_LIB NAMES libc.a NO_DEFAULT_PATH PATHS
  /usr/lib/${THRUM_ARCH}-linux-musl /usr/${THRUM_ARCH}-linux-musl/lib64 /usr/lib/musl/lib)
find_path(THRUM_MUSL_INCLUDE NAMES features.h NO_DEFAULT_PATH PATHS
  /usr/include/${THRUM_ARCH}-linux-musl /usr/${THRUM_ARCH}-linux-musl/include
  /usr/lib/musl/include)
if(NOT THRUM_MUSL_LIB OR NOT THRUM_MUSL_INCLUDE OR NOT EXISTS ${THRUM_MUSL_LIB}/crt1.o)
  thrum_linux_lacks("musl, the C library,")
endif()

# What the compiler calls where the processor has no instruction. It is the same for all C
# libraries, so that the one of the compiler's own target will do.
foreach(target IN ITEMS --target=x86_64-linux-musl "")
  execute_process(
    COMMAND ${CMAKE_C_COMPILER} ${target} -rtlib=compiler-rt -print-libgcc-file-name
    OUTPUT_VARIABLE THRUM_BUILTINS OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(EXISTS "${THRUM_BUILTINS}")
    break()
  endif()
endforeach()
if(NOT EXISTS "${THRUM_BUILTINS}")
  thrum_linux_lacks("compiler-rt, clang's library of built-in functions,")
endif()

# Without -nostdlibinc and -nostdlib clang would take the host's C library and not say so. musl has
# no headers of the kernel: LINUX_UAPI_DIR has.
add_library(thrum_musl INTERFACE)
target_compile_options(thrum_musl INTERFACE
  --target=x86_64-linux-musl -std=gnu17 -nostdlibinc -fno-pic -O2 -g
  -isystem ${THRUM_MUSL_INCLUDE} -idirafter ${LINUX_UAPI_DIR}
  -ffunction-sections -fdata-sections -Wall -Wextra -Werror)
target_link_options(thrum_musl INTERFACE
  --target=x86_64-linux-musl -fuse-ld=lld -nostdlib -static
  -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noexecstack
  ${THRUM_MUSL_LIB}/crt1.o ${THRUM_MUSL_LIB}/crti.o)
target_link_libraries(thrum_musl INTERFACE
  ${THRUM_MUSL_LIB}/libc.a ${THRUM_BUILTINS} ${THRUM_MUSL_LIB}/crtn.o)

function(thrum_add_program name)
  cmake_parse_arguments(arg "" "GUESTDIR" "" ${ARGN})
  if(NOT arg_GUESTDIR)
    set(arg_GUESTDIR /bin)
  endif()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/root${arg_GUESTDIR}
    LINKER_LANGUAGE C)
  target_link_libraries(${name} PRIVATE thrum_musl)
  thrum_guest_file($<TARGET_FILE:${name}> ${arg_GUESTDIR}/${name})
endfunction()

# busybox of the distribution: it has to be linked statically, for there is no dynamic linker. All
# its names are links in /bin, but for those that are taken.
find_program(THRUM_BUSYBOX NAMES busybox.static busybox PATHS /usr/sbin /sbin)
if(NOT THRUM_BUSYBOX)
  thrum_linux_lacks("busybox, linked statically,")
endif()
find_program(THRUM_READELF NAMES llvm-readelf readelf REQUIRED)

function(thrum_add_busybox)
  execute_process(COMMAND ${THRUM_READELF} -l ${THRUM_BUSYBOX} OUTPUT_VARIABLE segments)
  if(segments MATCHES "INTERP")
    thrum_linux_lacks("${THRUM_BUSYBOX} is not linked statically: one that is")
  endif()
  file(REAL_PATH ${THRUM_BUSYBOX} busybox)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${busybox})
  thrum_guest_file(${busybox} /bin/busybox MODE 755)
  # A string, never a list of CMake's: two of the names are "[" and "[[".
  execute_process(COMMAND ${busybox} --list OUTPUT_VARIABLE applets COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE "(^|\n)linuxrc\n" "\\1" applets "${applets}") # init, by another name
  string(REGEX REPLACE "([^\n]+)\n" "->busybox\t/bin/\\1\t-\n" links "${applets}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/busybox.list CONTENT "${links}" @ONLY)
  thrum_initrd_list(${CMAKE_BINARY_DIR}/busybox.list)
endfunction()
