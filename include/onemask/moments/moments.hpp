#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/moments/second_moment.hpp>
#include <onemask/settings/fingerprints.hpp>
#include <onemask/settings/moments_options.hpp>
#include <onemask/store/object_store.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace onemask {

/// The objects of the second moments of `layers`, whether they are there or not; reads the corpus only to hash it. Throws
/// UserError when a file cannot be read, or when the options name no corpus, or two, for a layer without a file.
std::map<int, std::string> moment_keys(MomentsOptions const& options, std::vector<int> const& layers,
                                       Fingerprints const& fingerprints);

/// Throws UserError where make_moments would refuse, once it comes to that, segments longer than the model has positions, a file
/// whose object is not in the store, or a corpus that cannot be read or is too small: less than asked for, or than `least`
/// tokens. Of a large one the first million tokens are read. `keys` are those of moment_keys; without any, nothing is wanted.
void check_moments(MomentsOptions const& options, std::map<int, std::string> const& keys, CausalLM const& model,
                   Tokenizer const& tokenizer, std::int64_t least, ObjectStore const& objects);

/// Puts the second moments of `layers` into the store, those that are not there yet: files are imported; the others are computed
/// together in one pass over the corpus, shared out to all ranks. Says on the log what it will cost, then how far it is.
///
/// The same bits on any number of ranks. After the first eighth, quarter and half, and every few million tokens, the sums so far
/// go to files in `checkpoints`, unless writing them would take a good part of the time since the last ones; a later call goes on
/// there. Returns the names of the objects, by layer. Collective; throws on every rank when one fails, Interrupted when
/// `stopped` says so on any rank. `progress` takes the share of this rank's tokens that is done, `resumes` that which
/// was done before, where it goes on from such files; `sums_through` takes what carries the sums over the ranks.
std::map<int, std::string> make_moments(Communicator const& world, CausalLM const& model, Tokenizer const& tokenizer,
                                        MomentsOptions const& options, std::vector<int> const& layers, ObjectStore const& objects,
                                        std::filesystem::path const& checkpoints, Fingerprints const& fingerprints,
                                        std::function<bool()> const& stopped = interrupted,
                                        std::function<void(double)> const& progress = {},
                                        std::function<void(double)> const& resumes = {},
                                        std::function<void(std::string const&)> const& sums_through = {});

/// A stored second moment. Throws RunError when it is not there, ShapeError when it is not of this layer and size [inner, inner].
SecondMoment load_moment(ObjectStore const& objects, std::string const& key, int layer, std::int64_t inner);

}  // namespace onemask
