#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/posix_file.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include <openssl/evp.h>

namespace onemask {
namespace {

void check(int status) {
  if (status != 1) throw RunError("OpenSSL failed to compute a SHA-256 hash; check the OpenSSL installation of this machine.");
}

/// Little-endian, whatever the machine.
std::array<unsigned char, 8> little_endian(std::uint64_t value) {
  std::array<unsigned char, 8> bytes;
  for (unsigned char& byte : bytes) {
    byte = static_cast<unsigned char>(value & 0xff);
    value >>= 8;
  }
  return bytes;
}

}  // namespace

struct Hasher::State {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  check(state_->context != nullptr);
  check(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
}

Hasher::~Hasher() = default;

Hasher& Hasher::bytes(void const* data, std::size_t size) {
  check(EVP_DigestUpdate(state_->context.get(), data, size));
  return *this;
}

Hasher& Hasher::text(std::string_view value) {
  auto const length = little_endian(value.size());
  return bytes(length.data(), length.size()).bytes(value.data(), value.size());
}

Hasher& Hasher::number(double value) {
  auto const pattern = little_endian(std::bit_cast<std::uint64_t>(value));
  return bytes(pattern.data(), pattern.size());
}

Hasher& Hasher::integer(long long value) {
  auto const pattern = little_endian(static_cast<std::uint64_t>(value));
  return bytes(pattern.data(), pattern.size());
}

std::string Hasher::hex() {
  std::array<unsigned char, 32> digest;
  check(EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr));
  std::string digits;
  for (unsigned char const byte : digest) {
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  return digits;
}

std::string sha256(std::string_view bytes) {
  return Hasher().bytes(bytes.data(), bytes.size()).hex();
}

std::string sha256_file(std::filesystem::path const& file) {
  Hasher hasher;
  std::vector<char> buffer(1 << 20);
  PosixFile in(file, PosixFile::Mode::read);
  while (auto const got = in.read(buffer.data(), buffer.size())) hasher.bytes(buffer.data(), got);
  return hasher.hex();
}

}  // namespace onemask
