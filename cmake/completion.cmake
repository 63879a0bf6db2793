# The words of a program's command line for bash: NAME.bash-completion of the folder.
function(smtpprobe_install_completion name component)
  install(FILES ${name}.bash-completion DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    RENAME ${name} COMPONENT ${component})
endfunction()
