#pragma once

#include "tokenizer/detail/tokenizer_tables.hpp"
#include <onemask/core/json_field.hpp>

namespace onemask::detail {

/// The "post_processor" of a tokenizer.json, as far as it says what is put around a text.
TextTemplate read_text_template(JsonField const& processor, int depth = 0);

}  // namespace onemask::detail
