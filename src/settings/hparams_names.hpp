#pragma once

#include <onemask/settings/edit_hparams.hpp>

#include <array>

namespace onemask {

// What EasyEdit's files call the method and the edited matrix.
inline constexpr char const* method_key = "alg_name";
inline constexpr char const* module_key = "rewrite_module_tmp";

/// Methods as EasyEdit's files name them.
inline constexpr std::array<Named<EditMethod>, 7> algorithms{{{EditMethod::rome, "ROME"},
                                                              {EditMethod::r_rome, "R-ROME"},
                                                              {EditMethod::memit, "MEMIT"},
                                                              {EditMethod::memit_merge, "MEMIT-merge"},
                                                              {EditMethod::emmet, "EMMET"},
                                                              {EditMethod::alphaedit, "AlphaEdit"},
                                                              {EditMethod::ft_l, "FT"}}};

}  // namespace onemask
