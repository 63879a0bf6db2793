// Its law, on a real folder: the old text or the new one, whole, and nothing else is left behind.
// What would end or change the test's process is tried in a child of it.
#include "exporter/textfile.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "tests/unit/config_files.h"

namespace smtpprobe {
namespace {

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

mode_t mode_of(const std::string& path) {
  struct stat facts {};
  EXPECT_EQ(stat(path.c_str(), &facts), 0) << path;
  return facts.st_mode & 07777U;
}

std::string error_of(const Result<void>& written) { return written ? "" : written.error().text; }

// What `body` returns in a child, which ends within 10 seconds.
template <typename Body>
std::string in_child(const Body& body) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    const std::string text = body();
    const bool told = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  std::string text(1024, '\0');
  const ssize_t got = read(ends[0], text.data(), text.size());
  close(ends[0]);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  return text;
}

TEST(Textfile, IsWrittenForEverybodyToRead) {
  const TestFolder folder;
  const std::string path = folder.path() + "/smtp.prom";
  const mode_t old_mask = umask(077);
  const Result<void> written = write_textfile(path, "probe_success 1\n");
  umask(old_mask);
  ASSERT_TRUE(written) << error_of(written);
  EXPECT_EQ(content(path), "probe_success 1\n");
  EXPECT_EQ(mode_of(path), 0644U);
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"smtp.prom"});
}

TEST(Textfile, TakesAnyText) {
  const TestFolder folder;
  const std::string path = folder.path() + "/smtp.prom";
  for (const std::string& text : {std::string("short\n"), std::string(3'000'000, 'x') + '\n',
                                  std::string("a\0b", 3), std::string()}) {
    const Result<void> written = write_textfile(path, text);
    ASSERT_TRUE(written) << error_of(written);
    EXPECT_TRUE(content(path) == text) << text.size() << " bytes";
  }
}

// Who has the old one open reads the old one to its end: it is replaced, never written to.
TEST(Textfile, ReplacesTheOldOneAsAWhole) {
  const TestFolder folder;
  const std::string path = folder.write("smtp.prom", "old text\n");
  chmod(path.c_str(), 0600);
  std::ifstream reader(path);
  ASSERT_TRUE(write_textfile(path, "new\n"));
  std::string line;
  EXPECT_TRUE(std::getline(reader, line));
  EXPECT_EQ(line, "old text");
  EXPECT_EQ(content(path), "new\n");
  EXPECT_EQ(mode_of(path), 0644U);
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"smtp.prom"});
}

TEST(Textfile, ABareNameIsOfTheWorkingFolder) {
  const TestFolder folder;
  const std::string error = in_child([&] {
    if (chdir(folder.path().c_str()) != 0) return std::string("no chdir");
    return error_of(write_textfile("smtp.prom", "text\n"));
  });
  EXPECT_EQ(error, "");
  EXPECT_EQ(content(folder.path() + "/smtp.prom"), "text\n");
}

// Only of the test's own: a fault here, run as root, would replace a device of the machine.
TEST(Textfile, WhatIsNoRegularFileStaysAsItIs) {
  const TestFolder folder;
  const std::string target = folder.write("target.prom", "old\n");
  const std::string link = folder.path() + "/link.prom";
  const std::string dangling = folder.path() + "/dangling.prom";
  const std::string fifo = folder.path() + "/fifo.prom";
  const std::string inner = folder.path() + "/inner.prom";
  std::filesystem::create_symlink(target, link);
  std::filesystem::create_symlink(folder.path() + "/absent", dangling);
  std::filesystem::create_directory(inner);
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const std::set<std::string> before = names_in(folder.path());
  for (const std::string& path : {link, dangling, fifo, inner}) {
    EXPECT_EQ(error_of(write_textfile(path, "new\n")), path + ": is no regular file");
  }
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_TRUE(std::filesystem::is_fifo(fifo));
  EXPECT_EQ(content(target), "old\n");
  EXPECT_EQ(names_in(folder.path()), before);
}

TEST(Textfile, APathThatNamesNoFileIsRefused) {
  const TestFolder folder;
  EXPECT_EQ(error_of(write_textfile("", "x")), ": wanted the name of a file");
  const std::string itself = folder.path() + "/";
  EXPECT_EQ(error_of(write_textfile(itself, "x")), itself + ": wanted the name of a file");
  const std::string nowhere = folder.path() + "/absent/smtp.prom";
  EXPECT_EQ(error_of(write_textfile(nowhere, "x")),
            nowhere + ": opening its folder: No such file or directory");
  const std::string below_a_file = folder.write("file", "") + "/smtp.prom";
  EXPECT_EQ(error_of(write_textfile(below_a_file, "x")), below_a_file + ": Not a directory");
}

TEST(Textfile, TheErrorIsOneLine) {
  const std::string error = error_of(write_textfile("/nowhere\n/smtp.prom", "x"));
  EXPECT_EQ(error, "/nowhere\\x0a/smtp.prom: opening its folder: No such file or directory");
  const std::string long_name = "/tmp/" + std::string(5000, 'n');
  EXPECT_LT(error_of(write_textfile(long_name, "x")).size(), 300U);
  EXPECT_TRUE(error_of(write_textfile(long_name, "x")).ends_with(": File name too long"));
}

// The first byte too many is refused by the kernel in the middle of the writing.
TEST(Textfile, WhereThereIsNoRoomTheOldOneStays) {
  constexpr rlim_t kRoom = 20'000;
  const TestFolder folder;
  const std::string path = folder.write("smtp.prom", "old\n");
  const auto write_limited = [&](std::size_t bytes) {
    return in_child([&] {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{kRoom, kRoom};
      if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return std::string("no limit");
      return error_of(write_textfile(path, std::string(bytes, 'n')));
    });
  };
  EXPECT_EQ(write_limited(kRoom + 1),
            path + ": writing a temporary file in its folder: File too large");
  EXPECT_EQ(content(path), "old\n");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"smtp.prom"});
  EXPECT_EQ(write_limited(kRoom), "");
  EXPECT_EQ(content(path), std::string(kRoom, 'n'));
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"smtp.prom"});
}

TEST(Textfile, AFolderThatCannotBeWrittenToIsNamedAndTheOldOneStays) {
  const TestFolder folder;
  const std::string path = folder.write("smtp.prom", "old\n");
  chmod(path.c_str(), 0666);  // the file itself could be written to
  chmod(folder.path().c_str(), 0555);
  const std::string error = in_child([&] {
    constexpr uid_t kNobody = 65534;
    const bool is_root = geteuid() == 0;  // for whom no folder is closed
    if (is_root && (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)) {
      return std::string("still root");
    }
    return error_of(write_textfile(path, "new\n"));
  });
  EXPECT_EQ(error, path + ": making a temporary file in its folder: Permission denied");
  EXPECT_EQ(content(path), "old\n");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"smtp.prom"});
  chmod(folder.path().c_str(), 0700);
}

}  // namespace
}  // namespace smtpprobe
