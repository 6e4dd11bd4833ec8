# The initial root file system and the ISO.
#
# Folders that have something to put into the guest call
#
#     thrum_initrd_add(FILE GUESTPATH [MODE mode])
#     thrum_initrd_list(LIST)
#     thrum_initrd_depends(TARGET...)
#
# FILE is a path, or $<TARGET_FILE:program> of a program, which goes in without its debug
# information, or "-", which makes a folder; MODE is octal, 755 or 644 unless said, as the file is executable or not. LIST is
# a file of more lines for mkcpio.sh, of which links come in handy: one whose name is taken is left
# out. What makes files that are built, and are not such programs, has to be named as TARGET. The top
# level calls thrum_build_iso() last; it adds the targets `initrd` and `iso`.

set(THRUM_FILES "" CACHE PATH "A folder whose files are laid over those of the image")
find_program(THRUM_BASH bash REQUIRED)
find_program(THRUM_OBJCOPY NAMES llvm-objcopy objcopy REQUIRED)
set(THRUM_CMAKE_DIR ${CMAKE_CURRENT_LIST_DIR})
set(THRUM_ISO ${CMAKE_BINARY_DIR}/thrum.iso)
set(THRUM_INITRD ${CMAKE_BINARY_DIR}/initrd.cpio)

define_property(GLOBAL PROPERTY THRUM_INITRD_ENTRIES BRIEF_DOCS "file|guest path|mode" FULL_DOCS "-")
define_property(GLOBAL PROPERTY THRUM_INITRD_LISTS BRIEF_DOCS "files" FULL_DOCS "-")
define_property(GLOBAL PROPERTY THRUM_INITRD_DEPENDS BRIEF_DOCS "targets" FULL_DOCS "-")

function(thrum_initrd_add file guest_path)
  cmake_parse_arguments(arg "" "MODE" "" ${ARGN})
  if(NOT arg_MODE)
    set(arg_MODE -)
  endif()
  if(NOT file MATCHES "^(\\$<|-$)")
    get_filename_component(file ${file} ABSOLUTE)
  endif()
  set_property(GLOBAL APPEND PROPERTY THRUM_INITRD_ENTRIES "${file}|${guest_path}|${arg_MODE}")
endfunction()

function(thrum_initrd_list file)
  set_property(GLOBAL APPEND PROPERTY THRUM_INITRD_LISTS ${file})
endfunction()

function(thrum_initrd_depends)
  set_property(GLOBAL APPEND PROPERTY THRUM_INITRD_DEPENDS ${ARGN})
endfunction()

# Copies a program without its debug information.
function(thrum_strip target output)
  add_custom_command(OUTPUT ${output}
    COMMAND ${THRUM_OBJCOPY} --strip-debug $<TARGET_FILE:${target}> ${output}
    DEPENDS ${target} $<TARGET_FILE:${target}>
    COMMENT "Stripping ${target}"
    VERBATIM)
endfunction()

# Makes OUTPUT, an ISO of KERNEL (a file) and INITRD (a file; none where it is left out).
function(thrum_make_iso output)
  cmake_parse_arguments(arg "" "KERNEL;INITRD" "DEPENDS" ${ARGN})
  set(root ${output}.root)
  set(grub_cfg ${CMAKE_SOURCE_DIR}/iso/grub.cfg)
  set(copy ${CMAKE_COMMAND} -E copy)
  set(copy_initrd)
  if(arg_INITRD)
    set(copy_initrd COMMAND ${copy} ${arg_INITRD} ${root}/boot/initrd.cpio)
  endif()
  get_filename_component(name ${output} NAME)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${root}/boot/grub
    COMMAND ${copy} ${grub_cfg} ${root}/boot/grub/grub.cfg
    COMMAND ${copy} ${arg_KERNEL} ${root}/boot/thrum.elf
    ${copy_initrd}
    COMMAND ${THRUM_BASH} ${THRUM_CMAKE_DIR}/mkiso.sh ${output} ${root}
    DEPENDS ${arg_KERNEL} ${arg_INITRD} ${arg_DEPENDS} ${grub_cfg} ${THRUM_CMAKE_DIR}/mkiso.sh
    COMMENT "Making ${name}"
    VERBATIM)
endfunction()

# The archive of all that thrum_initrd_add() was told about.
function(thrum_build_initrd)
  get_property(entries GLOBAL PROPERTY THRUM_INITRD_ENTRIES)
  get_property(depends GLOBAL PROPERTY THRUM_INITRD_DEPENDS)
  get_property(lists GLOBAL PROPERTY THRUM_INITRD_LISTS)
  set(list "")
  foreach(entry IN LISTS entries)
    string(REPLACE "|" ";" fields ${entry})
    list(GET fields 0 file)
    list(GET fields 1 guest_path)
    list(GET fields 2 mode)
    if(file MATCHES "^\\$<TARGET_FILE:(.+)>$")
      set(file ${CMAKE_BINARY_DIR}/initrd/${CMAKE_MATCH_1})
      thrum_strip(${CMAKE_MATCH_1} ${file})
    endif()
    if(NOT file STREQUAL "-")
      list(APPEND depends ${file})
    endif()
    string(APPEND list "${file}\t${guest_path}\t${mode}\n")
  endforeach()
  set(user_list) # first: a name that is taken is left out
  if(THRUM_FILES)
    if(NOT IS_DIRECTORY "${THRUM_FILES}")
      message(FATAL_ERROR "THRUM_FILES: there is no folder ${THRUM_FILES}")
    endif()
    list(APPEND depends "${THRUM_FILES}") # a folder is newer when a name in it has come or gone
    file(GLOB_RECURSE files LIST_DIRECTORIES true CONFIGURE_DEPENDS "${THRUM_FILES}/*")
    foreach(file IN LISTS files)
      if(NOT IS_SYMLINK "${file}") # where those lead is known in the guest only
        list(APPEND depends "${file}")
      endif()
    endforeach()
    file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/files.list CONTENT "${THRUM_FILES}\t/\t-\n")
    set(user_list ${CMAKE_BINARY_DIR}/files.list)
  endif()
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/initrd)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/initrd.list CONTENT "${list}")
  add_custom_command(OUTPUT ${THRUM_INITRD}
    COMMAND ${THRUM_BASH} ${THRUM_CMAKE_DIR}/mkcpio.sh ${THRUM_INITRD} ${user_list}
      ${CMAKE_BINARY_DIR}/initrd.list ${lists}
    DEPENDS ${depends} ${user_list} ${CMAKE_BINARY_DIR}/initrd.list ${lists}
      ${THRUM_CMAKE_DIR}/mkcpio.sh
    COMMENT "Making initrd.cpio"
    VERBATIM)
  add_custom_target(initrd DEPENDS ${THRUM_INITRD})
endfunction()

function(thrum_build_iso)
  thrum_build_initrd()
  set(kernel ${CMAKE_BINARY_DIR}/kernel.stripped)
  thrum_strip(kernel ${kernel})
  thrum_make_iso(${THRUM_ISO} KERNEL ${kernel} INITRD ${THRUM_INITRD} DEPENDS initrd)
  add_custom_target(iso ALL DEPENDS ${THRUM_ISO})
endfunction()
