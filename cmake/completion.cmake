# The words of a program's command line for bash: FOLDER/NAME.bash-completion, where it is.
function(smtpprobe_install_completion name component)
  set(file ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bash-completion)
  if(EXISTS ${file})
    install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${name}
      COMPONENT ${component})
  endif()
endfunction()
