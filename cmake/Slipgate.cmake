# Build rules shared by every folder: one warning level, one sanitizer switch, one way to add a
# layer, a unit test, a fuzz target or a benchmark.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-Og -g3")

set(SLIPGATE_SANITIZE "" CACHE STRING "sanitizers, for example address,undefined or thread")
option(SLIPGATE_COVERAGE "measure line and branch coverage" OFF)
option(SLIPGATE_FUZZ "build the libFuzzer targets (clang)" OFF)

# ccache where there is one that works (its folder may not be writable).
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
    execute_process(
        COMMAND ${CCACHE} ${CMAKE_C_COMPILER} -x c -c /dev/null -o ${CMAKE_BINARY_DIR}/ccache-works.o
        RESULT_VARIABLE broken OUTPUT_QUIET ERROR_QUIET)
    if(NOT broken)
        set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
    endif()
endif()

add_library(slipgate_flags INTERFACE)
target_compile_definitions(slipgate_flags INTERFACE
    _GNU_SOURCE SLIPGATE_VERSION="${PROJECT_VERSION}")
target_compile_options(slipgate_flags INTERFACE
    -Wall -Wextra -Werror -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wpointer-arith -Wcast-qual -Wcast-align -Wwrite-strings -Wundef
    -Wformat=2 -Wvla -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion
    -Wno-missing-field-initializers -fno-common -fno-strict-aliasing -fstack-protector-strong)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(slipgate_flags INTERFACE
        -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Walloca)
else()
    target_compile_options(slipgate_flags INTERFACE
        -Wno-gnu-zero-variadic-macro-arguments -Wno-string-plus-int)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT SLIPGATE_SANITIZE)
    target_compile_definitions(slipgate_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
if(SLIPGATE_SANITIZE)
    set(san -fsanitize=${SLIPGATE_SANITIZE} -fno-omit-frame-pointer)
    if(SLIPGATE_SANITIZE MATCHES "undefined")
        list(APPEND san -fno-sanitize-recover=undefined)
    endif()
    # gcc sees false null dereferences through the checks the sanitizer itself inserts.
    target_compile_options(slipgate_flags INTERFACE ${san} -Wno-null-dereference)
    target_link_options(slipgate_flags INTERFACE ${san})
endif()
if(SLIPGATE_COVERAGE)
    # Without optimisation gcc guesses wrongly about what is set. Threads count too.
    target_compile_options(slipgate_flags INTERFACE
        --coverage -fprofile-update=atomic -O0 -Wno-maybe-uninitialized)
    target_compile_definitions(slipgate_flags INTERFACE SLIPGATE_COVERAGE)
    target_link_options(slipgate_flags INTERFACE --coverage)
endif()
if(SLIPGATE_FUZZ)
    target_compile_options(slipgate_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
# PRIVATE hardening of the final links.
target_link_options(slipgate_flags INTERFACE -Wl,-z,relro,-z,now)

# slipgate_layer(NAME FILES... LINKS libs...): one folder, one static library. Its headers are
# included as "layer/header.h" from the source root.
#
# NAME_planted is the same with the deliberate defects of base/plant.def compiled in, over the planted
# form of what it links; built only where the simulator is.
set(SLIPGATE_PLANTABLE slipgate_base slipgate_wire slipgate_core slipgate_racing slipgate_store
    slipgate_client slipgate_host_fake)
function(slipgate_layer name)
    cmake_parse_arguments(arg "" "" "FILES;LINKS" ${ARGN})
    slipgate_add_layer(${name} "${arg_FILES}" "${arg_LINKS}")
    if(name IN_LIST SLIPGATE_PLANTABLE)
        set(links ${arg_LINKS})
        list(JOIN SLIPGATE_PLANTABLE "|" plantable)
        list(TRANSFORM links APPEND _planted REGEX "^(${plantable})$")
        slipgate_add_layer(${name}_planted "${arg_FILES}" "${links}")
        target_compile_definitions(${name}_planted PRIVATE SLIPGATE_PLANTS)
        set_target_properties(${name}_planted PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
endfunction()

function(slipgate_add_layer name files links)
    add_library(${name} STATIC ${files})
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${name} PUBLIC ${links} PRIVATE slipgate_flags)
    if(SLIPGATE_SANITIZE OR SLIPGATE_COVERAGE)
        target_link_options(${name} INTERFACE $<TARGET_PROPERTY:slipgate_flags,INTERFACE_LINK_OPTIONS>)
    endif()
endfunction()

# slipgate_unit_test(MODULE libs...): builds t_MODULE from t_MODULE.c beside the call.
function(slipgate_unit_test module)
    add_executable(t_${module} t_${module}.c)
    target_link_libraries(t_${module} PRIVATE ${ARGN} PkgConfig::CMOCKA slipgate_flags)
    add_test(NAME ${module} COMMAND t_${module})
    set_tests_properties(${module} PROPERTIES TIMEOUT 120)
endfunction()

# slipgate_torture(MODULE...): runs t_MODULE again and again, each time with another request for memory
# failing (tests/unit/torture.c). A choice of them in each run of the tests, all of them in `make
# torture`.
function(slipgate_torture)
    foreach(module ${ARGN})
        get_target_property(sources t_${module} SOURCES)
        if(NOT sources MATCHES "alloc_fault\\.c")
            slipgate_alloc_faults(t_${module})
        endif()
        target_sources(t_${module} PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit/torture.c)
        add_test(NAME torture_${module} COMMAND t_${module})
        set_tests_properties(torture_${module} PROPERTIES TIMEOUT 600 LABELS torture
            ENVIRONMENT SLIPGATE_TORTURE=1)
    endforeach()
endfunction()

# slipgate_fuzz_target(NAME libs...): f_NAME from f_NAME.c; corpus in corpus/NAME beside it.
# Without SLIPGATE_FUZZ it is linked with a main that replays the corpus, so that every build
# checks the kept inputs.
add_custom_target(fuzzers)
function(slipgate_fuzz_target name)
    add_executable(f_${name} f_${name}.c)
    add_dependencies(fuzzers f_${name})
    target_link_libraries(f_${name} PRIVATE ${ARGN} slipgate_flags)
    if(SLIPGATE_FUZZ)
        target_link_options(f_${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(f_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.c)
        add_test(NAME fuzz_${name}
            COMMAND f_${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
    endif()
endfunction()

# slipgate_bench(NAME libs...): b_NAME from b_NAME.c; prints its figures beside the physical limit.
add_custom_target(benches)
function(slipgate_bench name)
    add_executable(b_${name} b_${name}.c)
    add_dependencies(benches b_${name})
    target_link_libraries(b_${name} PRIVATE ${ARGN} slipgate_flags)
endfunction()
