# The law of the pure folders (docs/architecture.md): no header of the network, no clock. Run by CTest:
#   cmake -DROOT=<source tree> -P purity.cmake
# It first convinces itself that it would notice an offender.
cmake_minimum_required(VERSION 3.25)

set(forbidden_include
  "#[ \t]*include[ \t]*[<\"](boost|openssl|sys|netinet|arpa|netdb|unistd|poll|ares|curl|asio|common/net)[./_a-z]*")
set(forbidden_clock "::now[ \t]*\\(|clock_gettime|gettimeofday|[^_a-z.>]time\\(")

function(offences text found)
  string(REGEX MATCHALL "${forbidden_include}|${forbidden_clock}" matches "${text}")
  set(${found} "${matches}" PARENT_SCOPE)
endfunction()

foreach(sample "#include <boost/asio.hpp>" "#include <openssl/ssl.h>" "#  include <sys/socket.h>"
    "#include <ares.h>" "#include \"common/net/tls.h\"" "auto t = Clock::now();" "x = time(nullptr);")
  offences("${sample}" found)
  if(NOT found)
    message(FATAL_ERROR "purity.cmake no longer notices: ${sample}")
  endif()
endforeach()
foreach(sample "#include <chrono>" "#include \"common/smtp/time.h\"" "response_time()" "record.time()")
  offences("${sample}" found)
  if(found)
    message(FATAL_ERROR "purity.cmake takes this for an offence: ${sample}")
  endif()
endforeach()

file(GLOB sources ${ROOT}/common/smtp/*.h ${ROOT}/common/smtp/*.cc ${ROOT}/common/probe/*.h
  ${ROOT}/common/probe/*.cc)
list(LENGTH sources count)
if(count LESS 20)
  message(FATAL_ERROR "only ${count} files under ${ROOT}/common/{smtp,probe}: is ROOT right?")
endif()
set(bad)
foreach(source IN LISTS sources)
  file(READ ${source} text)
  string(REGEX REPLACE "//[^\n]*" "" text "${text}")
  offences("${text}" found)
  if(found)
    string(APPEND bad "  ${source}: ${found}\n")
  endif()
endforeach()
if(bad)
  message(FATAL_ERROR "the pure folders reach for the network or the clock:\n${bad}")
endif()
message(STATUS "${count} files are pure")
