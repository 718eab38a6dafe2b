#include "group_reducer.hpp"

#include "summable.hpp"
#include <onemask/core/invariant.hpp>

#include <ATen/ATen.h>

namespace onemask {

void GroupReducer::add(at::Tensor const& values) {
  expect_summable(values, device_);
  sums_.push_back(values);
}

void GroupReducer::finalize() {
  for (auto const& values : sums_) {
    auto const host = std::make_shared<at::Tensor const>(values.cpu());
    invariant(host->numel() == values.numel() && host->is_contiguous(), "a gradient of ", values.numel(),
              " numbers is summed as ", host->numel());
    group_->sum(host->data_ptr<std::int64_t>(), host->numel(), host);
    if (!values.is_same(*host)) values.copy_(*host);
  }
  sums_.clear();
}

}  // namespace onemask
