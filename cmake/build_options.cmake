# Language, warnings and hardening for every target of the project: link `smtpprobe_options`.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

option(BUILD_TESTING "Build the tests" ON)
option(SMTPPROBE_WERROR "Warnings are errors" OFF)
option(SMTPPROBE_STATIC "Link everything but the C library statically" ON)
set(SMTPPROBE_SANITIZE "" CACHE STRING "Sanitizers, as in address,undefined")

add_library(smtpprobe_options INTERFACE)
target_include_directories(smtpprobe_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(smtpprobe_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wcast-qual
  -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op -Wuseless-cast>
  # g++ 12 inlines the operator new of Asio's coroutine frames and not its delete, and takes them for strangers.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-mismatched-new-delete>
  $<$<BOOL:${SMTPPROBE_WERROR}>:-Werror>
  -fstack-protector-strong -ffunction-sections -fdata-sections)
target_link_options(smtpprobe_options INTERFACE -pie -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed)
target_compile_definitions(smtpprobe_options INTERFACE
  SMTPPROBE_VERSION="${PROJECT_VERSION}"
  $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>
  _GLIBCXX_ASSERTIONS)
if(SMTPPROBE_SANITIZE)
  target_compile_options(smtpprobe_options INTERFACE -fsanitize=${SMTPPROBE_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(smtpprobe_options INTERFACE -fsanitize=${SMTPPROBE_SANITIZE})
elseif(SMTPPROBE_STATIC)
  target_link_options(smtpprobe_options INTERFACE
    $<$<NOT:$<BOOL:$<TARGET_PROPERTY:SMTPPROBE_SHARED>>>:-static-libstdc++;-static-libgcc>)
endif()
