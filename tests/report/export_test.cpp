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
  study.tables["summary"] = {{{"condition", test::Texts{"edited", "m, \"0\""}},
                              {"mean", test::Numbers{0.1, std::numeric_limits<double>::quiet_NaN()}},
                              {"n", test::Integers{20, -1}}}};
  return study;
}

StudyFile one_score() {
  test::StudyMaker study;
  study.condition("edited", "edited");
  study.row("edited", "train", "rewrite", "success", 0.5, 0.25, std::numeric_limits<double>::quiet_NaN(), 20, 20);
  auto file = study.file();
  file.attributes["study"] = "a \"b\"\n";
  return file;
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

TEST(Csv, EndsWithTheFactsThatTheModelKnows) {
  auto study = one_score();
  test::add_known(study);
  EXPECT_EQ(to_csv(study),
            "status,condition,split,relation,prompts,metric,mean,low,high,n,planned\n"
            "COMPLETE,edited,train,all,rewrite,success,0.5,0.25,nan,20,20\n"
            "COMPLETE,original,heldout,all,rewrite,known,0.5,nan,nan,1000,4000\n"
            "COMPLETE,original,heldout,all,rewrite,taken,0.25,nan,nan,1000,4000\n"
            "COMPLETE,original,heldout,P17,rewrite,known,nan,nan,nan,0,0\n"
            "COMPLETE,original,heldout,P17,rewrite,taken,nan,nan,nan,0,0\n");
  EXPECT_NE(to_json(study).find("\"known\": [\n  {\n   \"split\": \"heldout\","), std::string::npos);
}

TEST(Json, HasAttributesConditionsSummaryFindingAndStages) {
  EXPECT_EQ(to_json(one_score()), R"({
 "attributes": {
  "status": "COMPLETE",
  "study": "a \"b\"\n",
  "tasks_done": "13",
  "tasks_planned": "14",
  "train_split": "train"
 },
 "conditions": [
  {
   "name": "edited",
   "kind": "edited",
   "set": "",
   "settings": "",
   "point": "",
   "zeros": 0.0
  }
 ],
 "summary": [
  {
   "condition": "edited",
   "split": "train",
   "relation": "all",
   "prompts": "rewrite",
   "metric": "success",
   "mean": 0.5,
   "low": 0.25,
   "high": null,
   "n": 20,
   "planned": 20
  }
 ],
 "finding": [
  "The edits make the new object likelier than the true one for 50 % [25, nan] of the 20 training facts."
 ]
}
)");
  EXPECT_NE(to_json(test::example_study()).find("\"seconds\": 8.5"), std::string::npos);
}

TEST(Json, SurvivesTextsThatAreNotUtf8) {
  auto study = one_score();
  study.attributes.insert_or_assign("study", std::string("\xff"));
  EXPECT_NE(to_json(study).find("\xEF\xBF\xBD"), std::string::npos);
}

TEST(Export, NeedsASummaryWithColumnsOfOneLength) {
  auto study = one_score();
  std::get<test::Integers>(study.tables["summary"].columns.back().second).pop_back();
  EXPECT_THROW(to_csv(study), ShapeError);
  EXPECT_THROW(to_json(study), ShapeError);
  study.tables.erase("summary");
  EXPECT_THROW(to_csv(study), UserError);
  EXPECT_THROW(to_json(study), UserError);
}

}  // namespace
}  // namespace onemask
