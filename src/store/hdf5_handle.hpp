#pragma once

#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>

#include <hdf5.h>

namespace onemask {

/// An HDF5 identifier, closed at the end. May hold a failed (negative) one.
class Hdf5Handle {
 public:
  Hdf5Handle(hid_t id, herr_t (*closer)(hid_t)) : id_(id), close_(closer) {}
  ~Hdf5Handle() {
    if (id_ >= 0) close_(id_);
  }
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&&) = delete;

  /// Closes it now; tells whether that went well.
  herr_t close() { return close_(std::exchange(id_, H5I_INVALID_HID)); }

  bool valid() const { return id_ >= 0; }
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// Keeps HDF5 from printing its own errors while it lives; we say what failed ourselves, with the system's reason, which HDF5
/// puts into its descriptions. Comes before everything else of HDF5.
class QuietHdf5 {
 public:
  QuietHdf5() {
    H5dont_atexit();  // files that a full disk kept from closing would crash its cleaning up
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, note_reason, this);
  }
  ~QuietHdf5() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  QuietHdf5(QuietHdf5 const&) = delete;
  QuietHdf5& operator=(QuietHdf5 const&) = delete;

  /// Of the last failure for which there was one; that of a device that fails where there was none.
  std::error_code reason() const { return reason_; }

 private:
  static herr_t note_reason(hid_t stack, void* quiet) {
    return H5Ewalk2(stack, H5E_WALK_UPWARD, read_reason, &static_cast<QuietHdf5*>(quiet)->reason_);
  }
  static herr_t read_reason(unsigned, H5E_error2_t const* error, void* reason) {
    constexpr std::string_view before = "errno = ";
    std::string_view const text = error->desc == nullptr ? "" : error->desc;
    if (auto const found = text.find(before); found != text.npos) {
      int number = 0;
      std::from_chars(text.data() + found + before.size(), text.data() + text.size(), number);
      if (number > 0) *static_cast<std::error_code*>(reason) = {number, std::generic_category()};
    }
    return 0;
  }

  std::error_code reason_ = std::make_error_code(std::errc::io_error);
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// Texts of any length, in UTF-8.
inline Hdf5Handle text_type() {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

/// Texts of at most `width` bytes, in UTF-8, zeros behind them.
inline Hdf5Handle text_type(std::size_t width) {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, width);
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

/// How study files are opened: without locks, which network file systems lack and nobody needs, since a file has its name only
/// when it is whole.
inline Hdf5Handle file_access() {
  Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_file_locking(access, false, true);
  return access;
}

}  // namespace onemask
