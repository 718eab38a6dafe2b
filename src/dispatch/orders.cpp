#include <onemask/core/invariant.hpp>
#include <onemask/dispatch/orders.hpp>

#include <cstring>
#include <type_traits>
#include <utility>

namespace onemask {
namespace {

constexpr RunEnding::End last_of(RunEnding::End) {
  return RunEnding::End::refused;
}
constexpr Failure::Kind last_of(Failure::Kind) {
  return Failure::Kind::defect;
}

/// All ranks run the same program on the same kind of machine, so numbers travel as they are.
class MessageWriter {
 public:
  template <class... Fields>
  void operator()(Fields const&... fields) {
    (put(fields), ...);
  }
  std::string take() { return std::move(bytes_); }

 private:
  template <class Value>
  void put(Value const& value) {
    static_assert(std::is_arithmetic_v<Value> || std::is_enum_v<Value>);
    bytes_.append(reinterpret_cast<char const*>(&value), sizeof value);
  }
  void put(std::string const& text) {
    put(text.size());
    bytes_ += text;
  }
  void put(std::vector<int> const& numbers) {
    put(numbers.size());
    for (auto number : numbers) put(number);
  }

  std::string bytes_;
};

class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : bytes_(bytes) {}

  template <class... Fields>
  void operator()(Fields&... fields) {
    (get(fields), ...);
  }
  void expect_end() const { invariant(bytes_.empty(), "a message between ranks is too long"); }

 private:
  std::string_view cut(std::size_t size) {
    invariant(bytes_.size() >= size, "a message between ranks is too short");
    auto const piece = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return piece;
  }
  template <class Value>
  void get(Value& value) {
    static_assert(std::is_arithmetic_v<Value> || std::is_enum_v<Value>);
    std::memcpy(&value, cut(sizeof value).data(), sizeof value);
    if constexpr (std::is_enum_v<Value>)
      invariant(value >= Value{} && value <= last_of(value), "a message between ranks holds an unknown number");
  }
  void get(bool& value) {
    char byte = 0;
    get(byte);
    invariant(byte == 0 || byte == 1, "a message between ranks holds an unknown number");
    value = byte == 1;
  }
  void get(std::string& text) {
    std::size_t size = 0;
    get(size);
    text = cut(size);
  }
  void get(std::vector<int>& numbers) {
    std::size_t count = 0;
    get(count);
    invariant(count <= bytes_.size() / sizeof(int), "a message between ranks is too short");
    numbers.resize(count);
    for (auto& number : numbers) get(number);
  }

  std::string_view bytes_;
};

// The fields of each message, to write and to read.

template <class Visit, class Message>
requires std::is_empty_v<std::remove_const_t<Message>>
void visit_fields(Visit&, Message&) {}

template <class Message, class Plain>
concept Is = std::is_same_v<std::remove_const_t<Message>, Plain>;

void visit_fields(auto& visit, Is<RunTask> auto& message) {
  visit(message.group, message.task, message.ranks);
}
void visit_fields(auto& visit, Is<AbandonGroup> auto& message) {
  visit(message.group);
}
void visit_fields(auto& visit, Is<EndWork> auto& message) {
  visit(message.ending.end, message.ending.stuck, message.ending.dead, message.ending.sentence);
}
void visit_fields(auto& visit, Is<WorkerReady> auto& message) {
  visit(message.node);
}
void visit_fields(auto& visit, Is<TaskDone> auto& message) {
  visit(message.group, message.task, message.was_there);
}
void visit_fields(auto& visit, Is<TaskDropped> auto& message) {
  visit(message.group, message.task);
}
void visit_fields(auto& visit, Is<TaskFailed> auto& message) {
  visit(message.group, message.task, message.failure.kind, message.failure.text);
}
void visit_fields(auto& visit, Is<TaskShare> auto& message) {
  visit(message.task, message.share);
}
void visit_fields(auto& visit, Is<ResultsGathered> auto& message) {
  visit(message.complete);
}
void visit_fields(auto& visit, Is<GatherFailed> auto& message) {
  visit(message.failure.kind, message.failure.text);
}

template <class... Messages>
std::string write(std::variant<Messages...> const& message) {
  MessageWriter writer;
  writer(message.index());
  std::visit([&](auto const& one) { visit_fields(writer, one); }, message);
  return writer.take();
}

template <class... Messages>
void read(std::string_view bytes, std::variant<Messages...>& message) {
  MessageReader reader(bytes);
  std::size_t kind = 0, next = 0;
  reader(kind);
  bool const known = ((kind == next++ && (message.template emplace<Messages>(), true)) || ...);
  invariant(known, "a message between ranks is of an unknown kind");
  std::visit([&](auto& one) { visit_fields(reader, one); }, message);
  reader.expect_end();
}

}  // namespace

std::string to_bytes(Order const& order) {
  return write(order);
}

std::string to_bytes(Report const& report) {
  return write(report);
}

Order order_from_bytes(std::string_view bytes) {
  Order order;
  read(bytes, order);
  return order;
}

Report report_from_bytes(std::string_view bytes) {
  Report report;
  read(bytes, report);
  return report;
}

}  // namespace onemask
