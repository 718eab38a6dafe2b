#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace onemask {

/// The whole file. Throws UserError naming the file when it cannot be read, or is a Git LFS pointer.
std::string read_file(std::filesystem::path const& file);

/// Replaces `file` so that a reader, or a crash at any moment, sees the old content or the new one, never a part: written to a
/// temporary name beside it, fsynced, renamed, folder fsynced. Throws RunError (a full disk says so); what was there stays.
void write_file_atomically(std::filesystem::path const& file, std::string_view content);
/// The same with a content that lies in pieces, one behind the other.
void write_file_atomically(std::filesystem::path const& file, std::span<std::string_view const> pieces);

/// A name for `target` until it is whole: beside it, so that a rename suffices, and chosen by no other process of any machine.
std::filesystem::path temporary_name(std::filesystem::path const& target);

}  // namespace onemask
