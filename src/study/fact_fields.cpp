#include "study/fact_fields.hpp"

#include <onemask/settings/make_field.hpp>

namespace onemask {

template <>
Fields<FactSelection> const& fields_of<FactSelection>() {
  using Facts = FactSelection;
  constexpr auto content = Enters::content;
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
      number("seed", &Facts::seed, {}, "", "of the shuffle").enter(content)};
  return fields;
}

}  // namespace onemask
