// FewSteps: a value for each step, of which most have none.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "common/smtp/step.h"

namespace smtpprobe {
namespace {

struct Marked {
  int value = 7;
};

TEST(FewSteps, WhatHasNoneReadsAsTheDefault) {
  const FewSteps<Marked> none;
  for (const Step step : kSteps) EXPECT_EQ(none[step].value, 7) << step_name(step);
  const FewSteps<int> zeros;
  for (const Step step : kSteps) EXPECT_EQ(zeros[step], 0) << step_name(step);
  const FewSteps<std::vector<int>> lists;
  for (const Step step : kSteps) EXPECT_TRUE(lists[step].empty()) << step_name(step);
}

TEST(FewSteps, RoomIsMadeWithTheDefaultInIt) {
  FewSteps<Marked> few;
  EXPECT_EQ(few[Step::Rcpt].value, 7);
  FewSteps<int> counts;
  EXPECT_EQ(++counts[Step::Rcpt], 1);
  EXPECT_EQ(++counts[Step::Rcpt], 2);
}

TEST(FewSteps, OneStepsValueIsNoOthers) {
  for (const Step set : kSteps) {
    FewSteps<std::string> few;
    few[set] = "set";
    const FewSteps<std::string>& read = few;
    for (const Step step : kSteps)
      EXPECT_EQ(read[step], step == set ? "set" : "") << step_name(set) << " " << step_name(step);
  }
}

TEST(FewSteps, AllStepsMayHaveOne) {
  FewSteps<std::string> few;
  for (const Step step : kSteps) few[step] = step_name(step);
  const FewSteps<std::string>& read = few;
  for (const Step step : kSteps) EXPECT_EQ(read[step], step_name(step));
  for (const Step step : kSteps) EXPECT_EQ(few[step], step_name(step));
}

TEST(FewSteps, TheLastValueStays) {
  FewSteps<std::string> few;
  few[Step::Banner] = "first";
  few[Step::Banner] = "second";
  const FewSteps<std::string>& read = few;
  EXPECT_EQ(read[Step::Banner], "second");
  few[Step::Banner].clear();
  EXPECT_EQ(read[Step::Banner], "");
}

TEST(FewSteps, ReadingAfterwardsSeesTheSameObject) {
  FewSteps<int> few;
  int& made = few[Step::Data];
  const FewSteps<int>& read = few;
  EXPECT_EQ(&read[Step::Data], &made);
  made = 3;
  EXPECT_EQ(read[Step::Data], 3);
}

// Reading never makes room: all that have none, in all objects, are one default.
TEST(FewSteps, ReadingMakesNoRoom) {
  const FewSteps<int> one;
  const FewSteps<int> other;
  const int* const none = &one[Step::Resolve];
  for (const Step step : kSteps) {
    EXPECT_EQ(&one[step], none) << step_name(step);
    EXPECT_EQ(&other[step], none) << step_name(step);
  }
  FewSteps<int> few;
  few[Step::Quit] = 5;
  const FewSteps<int>& read = few;
  EXPECT_EQ(&read[Step::Resolve], none);
  EXPECT_NE(&read[Step::Quit], none);
  EXPECT_EQ(*none, 0);
}

TEST(FewSteps, ACopyGoesItsOwnWay) {
  FewSteps<std::string> few;
  few[Step::Mail] = "both";
  FewSteps<std::string> copy = few;
  copy[Step::Mail] = "copy";
  copy[Step::Rcpt] = "copy";
  const FewSteps<std::string>& read = few;
  EXPECT_EQ(read[Step::Mail], "both");
  EXPECT_EQ(read[Step::Rcpt], "");
  few = copy;
  EXPECT_EQ(read[Step::Mail], "copy");
  EXPECT_EQ(read[Step::Rcpt], "copy");
  few = {};
  for (const Step step : kSteps) EXPECT_EQ(read[step], "") << step_name(step);
}

TEST(FewSteps, WhatHasNoneTakesNoRoom) {
  using Large = std::array<char, 1024>;
  EXPECT_GE(sizeof(PerStep<Large>), kStepCount * sizeof(Large));
  EXPECT_LT(sizeof(FewSteps<Large>), sizeof(Large));
}

}  // namespace
}  // namespace smtpprobe
