# slipgate_alloc_faults(TARGET): TARGET's own code and the static libraries in it take memory through
# alloc_fault.c, which counts what is live and can let the Nth request fail.
function(slipgate_alloc_faults target)
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/sim/alloc_fault.c)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_options(${target} PRIVATE
        -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free)
endfunction()
