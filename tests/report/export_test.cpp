#include "report/example_study.hpp"
#include <onemask/core/error.hpp>
#include <onemask/report/export.hpp>

#include <limits>

#include <gtest/gtest.h>

namespace onemask {
namespace {

StudyFile two_rows() {
  StudyFile study;
  study.attributes = {{"status", "COMPLETE"}, {"study", "a \"b\"\n"}};
  study.tables["conditions"] = {{{"name", test::Texts{"edited"}}, {"zeros", test::Numbers{0}}}};
  study.tables["summary"] = {{{"condition", test::Texts{"edited", "m, \"0\""}},
                              {"mean", test::Numbers{0.1, std::numeric_limits<double>::quiet_NaN()}},
                              {"n", test::Integers{20, -1}}}};
  return study;
}

TEST(Csv, HasEveryRowOfTheSummaryWithTheStatus) {
  EXPECT_EQ(to_csv(two_rows()),
            "status,condition,mean,n\n"
            "COMPLETE,edited,0.1,20\n"
            "COMPLETE,\"m, \"\"0\"\"\",nan,-1\n");
}

TEST(Csv, KeepsEveryBitOfANumber) {
  auto study = two_rows();
  study.tables["summary"] = {{{"mean", test::Numbers{0.1 + 0.2, -std::numeric_limits<double>::max()}}}};
  EXPECT_EQ(to_csv(study), "status,mean\nCOMPLETE,0.30000000000000004\nCOMPLETE,-1.7976931348623157e+308\n");
}

TEST(Json, HasAttributesConditionsSummaryAndStages) {
  EXPECT_EQ(to_json(two_rows()), R"({
 "attributes": {
  "status": "COMPLETE",
  "study": "a \"b\"\n"
 },
 "conditions": [
  {
   "name": "edited",
   "zeros": 0.0
  }
 ],
 "summary": [
  {
   "condition": "edited",
   "mean": 0.1,
   "n": 20
  },
  {
   "condition": "m, \"0\"",
   "mean": null,
   "n": -1
  }
 ]
}
)");
  EXPECT_NE(to_json(test::example_study()).find("\"seconds\": 8.5"), std::string::npos);
}

TEST(Json, SurvivesTextsThatAreNotUtf8) {
  auto study = two_rows();
  study.attributes.insert_or_assign("study", std::string("\xff"));
  EXPECT_NE(to_json(study).find("\xEF\xBF\xBD"), std::string::npos);
}

TEST(Export, NeedsASummaryWithColumnsOfOneLength) {
  auto study = two_rows();
  std::get<test::Integers>(study.tables["summary"].columns[2].second).pop_back();
  EXPECT_THROW(to_csv(study), ShapeError);
  EXPECT_THROW(to_json(study), ShapeError);
  study.tables.erase("summary");
  EXPECT_THROW(to_csv(study), UserError);
  EXPECT_THROW(to_json(study), UserError);
}

}  // namespace
}  // namespace onemask
