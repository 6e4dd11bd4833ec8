# The user ABI is Linux's: numbers and structures come from the distribution's kernel headers
# (linux-libc-dev on Debian). Only linux/, asm/ and asm-generic/ are made visible, through links in
# the build tree, so that no header of the host's C library can slip into the kernel.
find_path(LINUX_UAPI_GENERIC asm-generic/errno.h PATHS /usr/include REQUIRED)
find_path(LINUX_UAPI_ARCH asm/unistd_64.h
  PATHS /usr/include/${THRUM_ARCH}-linux-gnu /usr/include REQUIRED)

set(LINUX_UAPI_DIR ${CMAKE_BINARY_DIR}/linux-uapi)
file(MAKE_DIRECTORY ${LINUX_UAPI_DIR})
foreach(dir IN ITEMS linux asm-generic)
  file(CREATE_LINK ${LINUX_UAPI_GENERIC}/${dir} ${LINUX_UAPI_DIR}/${dir} SYMBOLIC)
endforeach()
file(CREATE_LINK ${LINUX_UAPI_ARCH}/asm ${LINUX_UAPI_DIR}/asm SYMBOLIC)
