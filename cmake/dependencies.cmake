# The libraries, as targets `dep::…`. A program is linked statically, for the dynamic loader's work on
# libssl, libcrypto and libstdc++ costs several times what a whole check does; one with the property
# SMTPPROBE_SHARED (a daemon starts once, and wants its security updates) gets the shared ones.
function(smtpprobe_library name header)
  add_library(dep_${name} INTERFACE)
  foreach(file IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER ${file} id)
    find_library(SMTPPROBE_SHARED_${id} NAMES ${file})
    if(SMTPPROBE_STATIC)
      find_library(SMTPPROBE_STATIC_${id} NAMES lib${file}.a REQUIRED)
      # What has no shared library of its own name is a part of another one.
      set(shared $<$<BOOL:${SMTPPROBE_SHARED_${id}}>:${SMTPPROBE_SHARED_${id}}>)
      target_link_libraries(dep_${name} INTERFACE
        $<IF:$<BOOL:$<TARGET_PROPERTY:SMTPPROBE_SHARED>>,${shared},${SMTPPROBE_STATIC_${id}}>)
    else()
      target_link_libraries(dep_${name} INTERFACE ${SMTPPROBE_SHARED_${id}})
    endif()
  endforeach()
  find_path(SMTPPROBE_INC_${name} NAMES ${header} REQUIRED)
  if(NOT SMTPPROBE_INC_${name} STREQUAL "/usr/include")
    target_include_directories(dep_${name} SYSTEM INTERFACE ${SMTPPROBE_INC_${name}})
  endif()
  add_library(dep::${name} ALIAS dep_${name})
endfunction()

smtpprobe_library(openssl openssl/ssl.h ssl crypto)
target_link_libraries(dep_openssl INTERFACE ${CMAKE_DL_LIBS})
smtpprobe_library(cares ares.h cares)
smtpprobe_library(gsasl gsasl.h gsasl ntlm idn gssglue)
target_link_libraries(dep_gsasl INTERFACE ${CMAKE_DL_LIBS})
smtpprobe_library(yamlcpp yaml-cpp/yaml.h yaml-cpp)

find_path(SMTPPROBE_INC_expected NAMES tl/expected.hpp REQUIRED)
find_path(SMTPPROBE_INC_fmt NAMES fmt/format.h REQUIRED)
find_package(Boost 1.81 REQUIRED)  # headers only: Asio
find_path(SMTPPROBE_INC_cxxopts NAMES cxxopts.hpp REQUIRED)
find_path(SMTPPROBE_INC_json NAMES nlohmann/json.hpp REQUIRED)

# Of the exporter alone, always shared.
find_package(Threads REQUIRED)
find_package(CURL REQUIRED)
find_package(ZLIB REQUIRED)
foreach(name prometheus-cpp-core spdlog crypt)
  string(MAKE_C_IDENTIFIER ${name} id)
  find_library(SMTPPROBE_SHARED_${id} NAMES ${name} REQUIRED)
endforeach()
find_path(SMTPPROBE_INC_prometheus NAMES prometheus/text_serializer.h REQUIRED)
find_path(SMTPPROBE_INC_spdlog NAMES spdlog/spdlog.h REQUIRED)
