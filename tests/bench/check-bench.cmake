# Checks ./thrum bench with a short run: the same again is the same to the byte, the JSON is JSON and
# has all rows, and a row that cannot be measured is a failure.
#
#     cmake -D BASH=bash -D SOURCE_DIR=... -D ISO=... -D SCRATCH_DIR=... -P check-bench.cmake

cmake_minimum_required(VERSION 3.22)

function(run_bench status output errors)
  execute_process(
    COMMAND ${BASH} ${SOURCE_DIR}/thrum bench ${ARGN}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE text
    ERROR_VARIABLE complaint)
  set(${status} "${result}" PARENT_SCOPE)
  set(${output} "${text}" PARENT_SCOPE)
  set(${errors} "${complaint}" PARENT_SCOPE)
endfunction()

foreach(run IN ITEMS first second)
  run_bench(status ${run}_table errors --iso ${ISO} --short --json ${SCRATCH_DIR}/${run}.json
    --rtc 2024-01-01T00:00:00,2025-06-07T08:09:10)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "the ${run} run ended with ${status}: ${${run}_table}${errors}")
  endif()
  file(READ ${SCRATCH_DIR}/${run}.json ${run}_json)
endforeach()
if(NOT first_table STREQUAL second_table OR NOT first_json STREQUAL second_json)
  message(FATAL_ERROR "two runs differ:\n${first_table}${first_json}\n${second_table}${second_json}")
endif()

run_bench(status list errors --list)
string(REGEX MATCHALL "[^\n]+" names "${list}")
list(REMOVE_ITEM names lwp_create_join_100000) # needs a large guest: not an ordinary row
list(LENGTH names nr_names)
string(JSON nr_rows LENGTH "${first_json}" rows)
if(NOT nr_rows EQUAL nr_names OR nr_rows LESS 20)
  message(FATAL_ERROR "${nr_rows} rows in the JSON, ${nr_names} names in the list")
endif()
foreach(name IN LISTS names)
  list(FIND names ${name} at)
  string(JSON in_json GET "${first_json}" rows ${at} name)
  string(JSON value GET "${first_json}" rows ${at} value)
  string(JSON nr_values LENGTH "${first_json}" rows ${at} values)
  if(NOT in_json STREQUAL name OR NOT value GREATER 0 OR NOT nr_values EQUAL 2)
    message(FATAL_ERROR "row ${at} should be ${name}, with two values: ${first_json}")
  endif()
  if(NOT first_table MATCHES "\n${name} +[0-9]")
    message(FATAL_ERROR "the table lacks ${name}:\n${first_table}")
  endif()
endforeach()

# No numbers left for LWPs.
run_bench(status output errors --iso ${ISO} --short --row lwp_memory --cmdline tid_max=8)
if(NOT status EQUAL 1 OR NOT errors MATCHES "status 1")
  message(FATAL_ERROR "a row that cannot be measured: status ${status}: ${output}${errors}")
endif()
