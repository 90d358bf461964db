# Installs what is more than a copy: the configuration file, which the program writes itself, and the
# systemd unit, which names the program. Run by cmake --install; SOURCE and BINARY are set.
set(prefix $ENV{DESTDIR}${CMAKE_INSTALL_PREFIX})

function(write path text)
    message(STATUS "Installing: ${path}")
    file(WRITE ${path} "${text}")
endfunction()

execute_process(COMMAND env -i ${BINARY} config print --config /dev/null
    OUTPUT_VARIABLE ini RESULT_VARIABLE failed)
if(failed)
    message(FATAL_ERROR "${BINARY} config print: ${failed}")
endif()
write(${prefix}/share/doc/slipgate/slipgate.ini "${ini}")

file(READ ${SOURCE}/packaging/slipgate.service unit)
string(REPLACE /usr/bin/ ${CMAKE_INSTALL_PREFIX}/bin/ unit "${unit}")
write(${prefix}/lib/systemd/system/slipgate.service "${unit}")

# Elsewhere than in the system's places it is a private copy, which must not touch /etc.
set(etc $ENV{DESTDIR}/etc/slipgate/slipgate.ini)
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?$" AND NOT EXISTS ${etc})
    write(${etc} "${ini}")
    file(CHMOD ${etc} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ) # it may come to hold secrets
endif()
