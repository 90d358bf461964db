# slipgate_alloc_faults(TARGET): TARGET's own code and the static libraries in it take memory through
# alloc_fault.c, which counts what is live and can let the Nth request fail.
set(SLIPGATE_ALLOC_FAULT ${CMAKE_CURRENT_LIST_DIR})
function(slipgate_alloc_faults target)
    target_sources(${target} PRIVATE ${SLIPGATE_ALLOC_FAULT}/alloc_fault.c)
    target_include_directories(${target} PRIVATE ${SLIPGATE_ALLOC_FAULT})
    target_link_options(${target} PRIVATE
        -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free)
endfunction()
