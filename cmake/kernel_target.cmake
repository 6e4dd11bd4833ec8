# The kernel is one executable, `kernel` (thrum.elf); each folder adds its own sources to it.
add_executable(kernel)
set_target_properties(kernel PROPERTIES
  OUTPUT_NAME thrum.elf
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
  LINK_DEPENDS ${CMAKE_SOURCE_DIR}/arch/${THRUM_ARCH}/boot/kernel.ld)

set(KERNEL_C_FLAGS
  --target=x86_64-linux-gnu -std=gnu17 -ffreestanding -nostdlibinc
  -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic -fno-common
  -fno-stack-protector -fno-asynchronous-unwind-tables -fno-omit-frame-pointer
  -fno-strict-aliasing -fwrapv
  -O2 -g -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla
  -Wframe-larger-than=1024)
# One unit of all C files, optimised at link time: small functions cost nothing wherever they are.
# Without it in debug builds, so that every function is in every call chain.
if(NOT THRUM_DEBUG)
  list(APPEND KERNEL_C_FLAGS -flto)
endif()
target_compile_options(kernel PRIVATE $<$<COMPILE_LANGUAGE:C>:${KERNEL_C_FLAGS}>
  $<$<COMPILE_LANGUAGE:ASM_NASM>:-Werror -g -F dwarf>)
target_compile_definitions(kernel PRIVATE
  THRUM_VERSION="${PROJECT_VERSION}" $<$<BOOL:${THRUM_DEBUG}>:THRUM_DEBUG=1>
  $<$<BOOL:${THRUM_SOCKETS}>:THRUM_SOCKETS=1>)
target_include_directories(kernel PRIVATE
  ${CMAKE_SOURCE_DIR}/kernel/include ${CMAKE_SOURCE_DIR}/arch/include
  ${CMAKE_SOURCE_DIR}/arch/${THRUM_ARCH}/include ${CMAKE_SOURCE_DIR}/mm/include
  ${CMAKE_SOURCE_DIR}/sched/include ${CMAKE_SOURCE_DIR}/proc/include
  ${CMAKE_SOURCE_DIR}/drivers/include)
target_include_directories(kernel SYSTEM PRIVATE $<$<COMPILE_LANGUAGE:C>:${LINUX_UAPI_DIR}>)
target_link_options(kernel PRIVATE
  --target=x86_64-linux-gnu -fuse-ld=lld -nostdlib -static
  -Wl,-T,${CMAKE_SOURCE_DIR}/arch/${THRUM_ARCH}/boot/kernel.ld
  $<$<NOT:$<BOOL:${THRUM_DEBUG}>>:-Wl,--lto-O2> -Wl,-z,max-page-size=4096 -Wl,--build-id=none -Wl,-z,noexecstack)
