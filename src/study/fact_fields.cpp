#include "study/fact_fields.hpp"

#include <onemask/settings/make_field.hpp>

namespace onemask {

template <>
Fields<FactSelection> const& fields_of<FactSelection>() {
  using Facts = FactSelection;
  constexpr auto content = Enters::content;
  auto const asks = [](Facts const& facts) { return facts.known != KnownTest::none; };
  static Fields<Facts> const fields{
      files("files", &Facts::files,
            "CounterFact files: JSON or JSON lines, also packed by gzip; one name or a list; * in a file's name")
          .enter(content)
          .must_be_given(),
      any_value(FieldType::texts, "relations", &Facts::relations, "relation ids to keep; none: all").enter(content),
      number("per_relation", &Facts::per_relation, at_least(0), "facts", "exactly so many of each relation; absent: all")
          .enter(content),
      number("offset_per_relation", &Facts::offset_per_relation, at_least(0), "facts", "of each relation, left out before these")
          .enter(content),
      number("limit", &Facts::limit, at_least(0), "facts", "at most so many in all; absent: all").enter(content),
      flag("shuffle", &Facts::shuffle, "a random choice that depends on the seed and each fact's case_id alone").enter(content),
      number("seed", &Facts::seed, {}, "", "of the shuffle").enter(content),
      choice("known", &Facts::known, known_test_names,
             "only facts that the unedited model knows, chosen before per_relation and limit: two-way prefers the true object to "
             "the new one, top-1 to all others")
          .enter(content),
      number("known_margin", &Facts::known_margin, at_least(0), "nats", "by which the test 'known' must be passed")
          .enter(content)
          .use_for(asks),
      flag("known_paraphrases", &Facts::known_paraphrases, "the test must be passed on every paraphrase, too")
          .enter(content)
          .use_for(asks),
      choices(
          "allow_overlap", &Facts::allow_overlap, fact_overlap_names,
          "facts of the training split that this one may have: with the same case_id, else relation and subject, else rewrite "
          "prompt; the study is refused otherwise")
          .enter(content)};
  return fields;
}

}  // namespace onemask
