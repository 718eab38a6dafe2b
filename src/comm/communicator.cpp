#include "local_backend.hpp"
#include <onemask/comm/communicator.hpp>
#include <onemask/core/invariant.hpp>

#include <stdexcept>
#include <utility>

#include <fmt/core.h>

namespace onemask {

namespace {

void expect_rank(int rank, int size) {
  if (rank < 0 || rank >= size) {
    throw std::out_of_range(fmt::format("rank {} is not one of the {} ranks of the group", rank, size));
  }
}

}  // namespace

Communicator::Communicator() : backend_(std::make_shared<LocalBackend>()) {}
Communicator::Communicator(std::shared_ptr<Backend const> backend) : backend_(std::move(backend)) {}

int Communicator::rank() const {
  return backend_->rank();
}
int Communicator::size() const {
  return backend_->size();
}
void Communicator::barrier() const {
  backend_->barrier();
}

std::string Communicator::broadcast(std::string bytes, int root) const {
  expect_rank(root, size());
  return backend_->broadcast(std::move(bytes), root);
}

std::vector<std::string> Communicator::gather(std::string const& bytes, int root) const {
  expect_rank(root, size());
  auto all = backend_->gather(bytes, root);
  auto const expected = rank() == root ? static_cast<std::size_t>(size()) : 0;
  invariant(all.size() == expected, "what ", expected, " ranks gave was gathered as ", all.size(), " parts");
  return all;
}

std::vector<std::string> Communicator::all_gather(std::string const& bytes) const {
  auto all = backend_->all_gather(bytes);
  invariant(all.size() == static_cast<std::size_t>(size()), "what ", size(), " ranks gave was gathered as ", all.size(),
            " parts");
  invariant(all[static_cast<std::size_t>(rank())].size() == bytes.size(), "what rank ", rank(), " gave came back with ",
            all[static_cast<std::size_t>(rank())].size(), " bytes instead of ", bytes.size());
  return all;
}
std::int64_t Communicator::all_reduce_sum(std::int64_t value) const {
  return backend_->all_reduce_sum(value);
}
std::int64_t Communicator::all_reduce_max(std::int64_t value) const {
  return backend_->all_reduce_max(value);
}

Communicator Communicator::split(int color, int key) const {
  if (color < 0) throw std::out_of_range(fmt::format("the color of a split must not be negative, not {}", color));
  return backend_->split(color, key);
}

Communicator Communicator::duplicate() const {
  return backend_->duplicate();
}

std::unique_ptr<IntegerSums> Communicator::sums() const {
  return backend_->sums();
}

void Communicator::poll() const {
  backend_->poll();
}

}  // namespace onemask
