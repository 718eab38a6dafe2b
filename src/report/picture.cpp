#include "report/picture.hpp"

#include "report/cells.hpp"
#include "report/svg_page.hpp"
#include <onemask/report/text_table.hpp>

#include <algorithm>

#include <fmt/core.h>

namespace onemask {
namespace {

// Lengths in pixels.
constexpr double scale = 400, value_width = 190;
constexpr double row_height = 24, bar_height = 14, cap_height = 8;

/// Bars right of their labels, on a scale of shares.
class ShareAxis {
 public:
  /// Bars begin right of labels of so many characters.
  explicit ShareAxis(std::size_t label) : left_(2 * SvgPage::margin + SvgPage::letter_width * static_cast<double>(label)) {}

  double left() const { return left_; }
  double right() const { return left_ + scale; }
  /// Where a share lies; one beyond the scale at its end.
  double position(double share) const { return left_ + scale * std::clamp(share, 0.0, 1.0); }

 private:
  double left_;
};

/// The scale below a block that began at `top`.
void add_axis(SvgPage& page, ShareAxis const& axis, double top, double bottom) {
  for (int tick = 0; tick <= 100; tick += 20) {
    auto const x = axis.position(tick / 100.0);
    page.line(x, top, x, bottom, "grid");
    page.text(x, bottom + 16, fmt::format("{} %", tick), " text-anchor=\"middle\"");
  }
}

void add_row(SvgPage& page, ShareAxis const& axis, double top, BarRow const& row) {
  auto const middle = top + row_height / 2, low = axis.position(row.value.low), high = axis.position(row.value.high);
  page.text(axis.left() - 8, middle + 4, row.label, " text-anchor=\"end\"");
  page.rect(axis.left(), middle - bar_height / 2, axis.position(row.value.mean) - axis.left(), bar_height, row.kind);
  page.line(low, middle, high, middle, "whisker");
  for (auto const x : {low, high}) page.line(x, middle - cap_height / 2, x, middle + cap_height / 2, "whisker");
  page.text(axis.right() + 12, middle + 4, percent(row.value.mean) + " % " + interval(row.value));
}

/// Returns the block's end.
double add_block(SvgPage& page, ShareAxis const& axis, double top, BarBlock const& block) {
  page.text(SvgPage::margin, top + 14, block.title, " class=\"block\"");
  auto y = top + 24;
  add_axis(page, axis, y, y + row_height * static_cast<double>(block.rows.size()));
  for (auto const& row : block.rows) {
    add_row(page, axis, y, row);
    y += row_height;
  }
  return y + 40;
}

}  // namespace

std::string bar_picture(std::string const& title, std::string const& explanation, std::vector<BarBlock> const& blocks) {
  std::size_t longest = 40;  // leaves room for the line under the title
  for (auto const& block : blocks) {
    for (auto const& row : block.rows) longest = std::max(longest, characters(row.label));
  }
  ShareAxis const axis(longest);
  SvgPage page;
  page.text(SvgPage::margin, 32, title, " class=\"title\"");
  page.text(SvgPage::margin, 54, explanation);
  double y = 74;
  if (blocks.empty()) {
    page.text(SvgPage::margin, y + 14, "Nothing is scored yet.");
    y += 34;
  }
  for (auto const& block : blocks) y = add_block(page, axis, y, block);
  return page.whole(axis.right() + value_width, y, title);
}

}  // namespace onemask
