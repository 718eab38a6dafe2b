#include <onemask/core/invariant.hpp>
#include <onemask/dispatch/orders.hpp>

#include <cstring>
#include <stdexcept>
#include <type_traits>

namespace onemask {
namespace {

/// All ranks run the same program on the same kind of machine, so numbers travel as they are.
template <class Number>
void put(std::string& bytes, Number value) {
  static_assert(std::is_trivially_copyable_v<Number>);
  bytes.append(reinterpret_cast<char const*>(&value), sizeof value);
}

class Reader {
 public:
  explicit Reader(std::string const& bytes) : bytes_(bytes) {}

  template <class Number>
  void get(Number& value) {
    if (bytes_.size() - place_ < sizeof value) throw std::length_error("a message between ranks is too short");
    std::memcpy(&value, bytes_.data() + place_, sizeof value);
    place_ += sizeof value;
  }
  std::string rest() const { return bytes_.substr(place_); }

 private:
  std::string const& bytes_;
  std::size_t place_ = 0;
};

}  // namespace

Order to_order(RunEnding const& ending) {
  return {Order::What::end, static_cast<std::int32_t>(ending.end), ending.stuck, ending.dead, ending.sentence};
}

RunEnding ending_from_order(Order const& order) {
  return {static_cast<RunEnding::End>(order.number), order.task != 0, order.ranks, order.text};
}

std::string to_bytes(Order const& order) {
  std::string bytes;
  put(bytes, order.what);
  put(bytes, order.number);
  put(bytes, order.task);
  put(bytes, static_cast<std::int32_t>(order.ranks.size()));
  for (auto rank : order.ranks) put(bytes, rank);
  return bytes + order.text;
}

std::string to_bytes(Report const& report) {
  std::string bytes;
  put(bytes, report.what);
  put(bytes, report.number);
  put(bytes, report.task);
  put(bytes, report.value);
  return bytes + report.text;
}

Order order_from_bytes(std::string const& bytes) {
  Reader reader(bytes);
  Order order;
  std::int32_t count = 0;
  reader.get(order.what);
  reader.get(order.number);
  reader.get(order.task);
  reader.get(count);
  invariant(order.what >= Order::What::run && order.what <= Order::What::alive, "the coordinator sent an order of no kind");
  invariant(count >= 0, "the coordinator named ", count, " ranks");
  for (std::int32_t i = 0; i < count; ++i) reader.get(order.ranks.emplace_back());
  order.text = reader.rest();
  return order;
}

Report report_from_bytes(std::string const& bytes) {
  Reader reader(bytes);
  Report report;
  reader.get(report.what);
  reader.get(report.number);
  reader.get(report.task);
  reader.get(report.value);
  invariant(report.what >= Report::What::ready && report.what <= Report::What::gathered, "a rank sent a report of no kind");
  report.text = reader.rest();
  return report;
}

}  // namespace onemask
