#pragma once

#include <string_view>

namespace onemask {

// Files of the source tree that are compiled in (cmake/embed_files.cmake).

std::string_view embedded_page_style();   ///< src/report/page/page.css
std::string_view embedded_page_script();  ///< src/report/page/page.js
std::string_view embedded_figure_font();  ///< res/fonts/DejaVuSansCondensed.ttf

}  // namespace onemask
