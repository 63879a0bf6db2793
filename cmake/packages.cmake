# The Debian packages: check-smtp-probe, smtp-probe-exporter, smtp-probe-dashboards; made by scripts/package.sh.
# What is EXCLUDE_FROM_ALL is in a package alone: `cmake --install` writes nothing outside of its prefix.
set(SMTPPROBE_PACKAGE_REVISION 1 CACHE STRING "Revision of the Debian packages, behind the version")

set(debian ${PROJECT_SOURCE_DIR}/deploy/debian)
set(made ${PROJECT_BINARY_DIR}/debian)
set(version ${PROJECT_VERSION}-${SMTPPROBE_PACKAGE_REVISION})

# Component, package, summary; each further argument is a line of the description.
function(smtpprobe_package component name summary)
  list(JOIN ARGN "\n" text)
  string(STRIP "${text}" text)
  string(TOUPPER ${component} id)
  set(CPACK_DEBIAN_${id}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(CPACK_DEBIAN_${id}_FILE_NAME DEB-DEFAULT PARENT_SCOPE)
  set(CPACK_DEBIAN_${id}_DESCRIPTION "${summary}\n${text}" PARENT_SCOPE)
  configure_file(${debian}/changelog.in ${made}/changelog @ONLY)
  install(FILES ${made}/changelog DESTINATION share/doc/${name} RENAME changelog.Debian
    COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${debian}/copyright DESTINATION share/doc/${name} COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${debian}/${name}.lintian-overrides DESTINATION share/lintian/overrides RENAME ${name}
    COMPONENT ${component} EXCLUDE_FROM_ALL)
endfunction()

# A file of the system's configuration: the administrator's edits survive an upgrade.
function(smtpprobe_conffile component file path)
  cmake_path(GET path PARENT_PATH folder)
  cmake_path(GET path FILENAME name)
  install(FILES ${PROJECT_SOURCE_DIR}/${file} DESTINATION ${folder} RENAME ${name}
    COMPONENT ${component} EXCLUDE_FROM_ALL)
  file(APPEND ${made}/${component}/conffiles "${path}\n")
endfunction()

# README.md and docs/, beside one another as their links want it.
function(smtpprobe_documents component name)
  file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
  install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION share/doc/${name} COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${pages} DESTINATION share/doc/${name}/docs COMPONENT ${component} EXCLUDE_FROM_ALL)
endfunction()

file(REMOVE_RECURSE ${made})
file(MAKE_DIRECTORY ${made}/plugin ${made}/exporter)

set(linking)
if(SMTPPROBE_STATIC)
  set(linking "" "Its libraries are linked statically, OpenSSL too."
    "/usr/share/doc/check-smtp-probe/statically-linked names their versions.")
endif()
smtpprobe_package(plugin check-smtp-probe
  "Nagios and Icinga check that walks an SMTP or LMTP dialogue"
  "check_smtp_probe goes through banner, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA"
  "and the message, as deep as asked, and judges every reply: a refusal at any"
  "step is not OK. It reports the reply code and the time of each step, and the"
  "certificates. Under the name check_smtp it takes that check's place."
  "${linking}")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PLUGIN_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_SUGGESTS "icinga2 | nagios4, smtp-probe-exporter")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_ENHANCES "icinga2, nagios4")
smtpprobe_conffile(plugin deploy/nagios/smtp_probe_commands.cfg /etc/nagios-plugins/config/smtp_probe.cfg)
set(CPACK_DEBIAN_PLUGIN_PACKAGE_CONTROL_EXTRA ${made}/plugin/conffiles ${debian}/check-smtp-probe/prerm)
smtpprobe_documents(plugin check-smtp-probe)

smtpprobe_package(exporter smtp-probe-exporter
  "Prometheus exporter that probes SMTP servers step by step"
  "smtp_probe_exporter answers /probe?target=HOST&module=NAME with the state, the"
  "reply code and the time of every step of an SMTP or LMTP dialogue, from the"
  "banner to the delivered message, with TLS and certificates. It has a page of"
  "its own with the recent probes and their transcripts.")
set(CPACK_DEBIAN_EXPORTER_PACKAGE_SHLIBDEPS ON)
# libcurl is loaded when it pushes, and so unseen by dpkg-shlibdeps.
set(CPACK_DEBIAN_EXPORTER_PACKAGE_DEPENDS "adduser")
# The alerts' runbooks call the check.
set(CPACK_DEBIAN_EXPORTER_PACKAGE_RECOMMENDS "ca-certificates, check-smtp-probe, libcurl4")
set(CPACK_DEBIAN_EXPORTER_PACKAGE_SUGGESTS "prometheus, smtp-probe-dashboards")
smtpprobe_conffile(exporter deploy/smtp-probe.yml /etc/smtp-probe/smtp-probe.yml)
smtpprobe_conffile(exporter deploy/smtp_probe_exporter.default /etc/default/smtp_probe_exporter)
set(CPACK_DEBIAN_EXPORTER_PACKAGE_CONTROL_EXTRA ${made}/exporter/conffiles
  ${debian}/postinst ${debian}/prerm ${debian}/postrm)
install(FILES ${PROJECT_SOURCE_DIR}/docs/web-config.example.yml
  ${PROJECT_SOURCE_DIR}/deploy/smtp-probe.yml ${PROJECT_SOURCE_DIR}/deploy/smtp_probe_exporter.default
  ${PROJECT_SOURCE_DIR}/deploy/smtp_probe_exporter.socket
  DESTINATION share/doc/smtp-probe-exporter/examples COMPONENT exporter EXCLUDE_FROM_ALL)
smtpprobe_documents(exporter smtp-probe-exporter)

smtpprobe_package(dashboards smtp-probe-dashboards
  "Grafana dashboards, rules and alerts for smtp_probe_exporter"
  "Two dashboards to import into Grafana (all mail servers, and one of them),"
  "recording rules and alerts for Prometheus, in /usr/share/smtp-probe/dashboards.")
set(CPACK_DEBIAN_DASHBOARDS_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_DASHBOARDS_PACKAGE_SUGGESTS "prometheus, smtp-probe-exporter")
set(CPACK_DEBIAN_DASHBOARDS_PACKAGE_ENHANCES "prometheus")

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL plugin exporter dashboards)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PACKAGE_VENDOR smtp-probe)
set(CPACK_PACKAGE_CONTACT "smtp-probe maintainers <maintainers@smtp-probe.invalid>")
set(CPACK_DEBIAN_PACKAGE_RELEASE ${SMTPPROBE_PACKAGE_REVISION})
set(CPACK_DEBIAN_PACKAGE_SOURCE smtp-probe)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package_documents.cmake)
if(SMTPPROBE_STATIC)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libstdc++.a
    OUTPUT_VARIABLE CPACK_SMTPPROBE_STATIC OUTPUT_STRIP_TRAILING_WHITESPACE)
  get_property(names DIRECTORY PROPERTY CACHE_VARIABLES)
  list(FILTER names INCLUDE REGEX "^SMTPPROBE_STATIC_")
  foreach(name IN LISTS names)
    list(APPEND CPACK_SMTPPROBE_STATIC ${${name}})
  endforeach()
endif()
include(CPack)
