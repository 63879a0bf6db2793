# Run by CPack over the staged files, before it makes packages of them.

# Man pages and changelogs, as Debian wants them.
file(GLOB_RECURSE documents ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/man/*.[1-8]
  ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*.Debian)
foreach(document IN LISTS documents)
  execute_process(COMMAND gzip -9nf ${document} COMMAND_ERROR_IS_FATAL ANY)
endforeach()

# A security update of one of these asks for a new build: package and version of each static library.
set(linked)
foreach(library IN LISTS CPACK_SMTPPROBE_STATIC)
  file(REAL_PATH ${library} library)
  execute_process(COMMAND dpkg-query -S ${library} OUTPUT_VARIABLE owner COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE ": .*" "" owner "${owner}")
  execute_process(COMMAND dpkg-query -W -f "\${Package} \${Version}\n" ${owner}
    OUTPUT_VARIABLE version COMMAND_ERROR_IS_FATAL ANY)
  list(APPEND linked "${version}")
endforeach()
list(REMOVE_DUPLICATES linked)
list(SORT linked)
list(JOIN linked "" linked)
if(linked)
  file(WRITE ${CPACK_TEMPORARY_DIRECTORY}/plugin/usr/share/doc/check-smtp-probe/statically-linked "${linked}")
endif()
