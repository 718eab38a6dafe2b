#pragma once

#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/checkpoint/config.hpp>
#include <onemask/model/device.hpp>
#include <onemask/model/layers.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// The second matrix of a layer's MLP, the one that is edited and masked: y = W x + b.
struct Projection {
  std::string name;   ///< of the stored tensor, e.g. "transformer.h.5.mlp.c_proj.weight"
  at::Tensor weight;  ///< [out = hidden, in = inner], a view of the stored tensor
  at::Tensor bias;    ///< [out], undefined where the family has none
};

/// Keys and values of attention, one head after the other.
struct KeyValue {
  at::Tensor key;    ///< [tokens, kv_heads, head_dim]
  at::Tensor value;  ///< [tokens, kv_heads, head_dim]
};

/// The pieces of a decoder-only transformer that differ from family to family; Pass puts them together. Everything works on
/// packed tokens (see Layout), keeps no state and builds no gradients for weights. A new family is one file and a line in
/// causal_lm.cpp. The file derives from this, or names the weights of a decoder like Llama's (gated_decoder.hpp).
class CausalLM {
 public:
  CausalLM(ModelConfig config, Placement placement, std::string fingerprint)
      : config_(std::move(config)), placement_(placement), fingerprint_(std::move(fingerprint)) {}
  virtual ~CausalLM() = default;
  CausalLM& operator=(CausalLM const&) = delete;

  ModelConfig const& config() const { return config_; }
  at::Device device() const { return placement_.device; }
  at::ScalarType dtype() const { return placement_.dtype; }
  /// Hash of the checkpoint and the dtype it runs in.
  std::string const& fingerprint() const { return fingerprint_; }

  /// Embeddings of tokens [tokens], scaled as they enter the residual stream, [tokens, hidden]; without those of positions.
  virtual at::Tensor token_embedding(at::Tensor const& ids) const = 0;
  /// Residual stream before layer 0, [tokens, hidden], from ids and positions [tokens].
  virtual at::Tensor embed(at::Tensor const& ids, at::Tensor const&) const { return token_embedding(ids); }
  /// What attention of `layer` reads: the normalised residual stream, [tokens, hidden].
  virtual at::Tensor attention_input(int layer, at::Tensor const& residual) const = 0;
  /// Queries, scaled so that their products with keys are the attention scores, [tokens, heads, head_dim].
  virtual at::Tensor queries(int layer, at::Tensor const& input, at::Tensor const& positions) const = 0;
  virtual KeyValue keys_values(int layer, at::Tensor const& input, at::Tensor const& positions) const = 0;
  /// Attention's own projection, [hidden, heads * head_dim], of the heads' weighted values.
  virtual Linear attention_projection(int layer) const = 0;
  /// Stands between a layer's projection and the residual stream, behind attention and behind the MLP. Only Gemma 2 and 3 and
  /// OLMo 2 have such norms (config().mlp_norm); of all others it lets everything through.
  virtual Norm attention_norm(int) const { return {}; }
  virtual Norm mlp_norm(int) const { return {}; }
  /// The input of the second projection (ROME's key), [tokens, inner], from the residual stream before and after attention.
  virtual at::Tensor mlp_key(int layer, at::Tensor const& before, at::Tensor const& after) const = 0;
  /// Behind the last layer.
  virtual Norm final_norm() const = 0;
  /// The unembedding, [vocabulary, hidden].
  virtual at::Tensor head() const = 0;
  /// [vocabulary], undefined where the family has none, as all but GPT-J.
  virtual at::Tensor head_bias() const { return {}; }

  /// What attention adds to the residual stream, from the heads' weighted values [tokens, heads * head_dim].
  at::Tensor attention_output(int layer, at::Tensor const& context) const;
  /// What the MLP adds to the residual stream, from the output of the second projection: [tokens, hidden] both. Only where
  /// config().mlp_norm says so it is something else than that output.
  at::Tensor mlp_output(int layer, at::Tensor const& projected) const;
  /// [tokens, hidden]
  at::Tensor final_norm(at::Tensor const& residual) const { return final_norm()(residual); }

  Projection projection(int layer) const;
  /// The same model but for the weights [out, in] of some layers' second projections; all other weights are shared. Gradients
  /// flow into weights that ask for them.
  std::unique_ptr<CausalLM> with_projections(std::map<int, at::Tensor> weights) const;

  /// Logits of normalised hidden states: [tokens, hidden] -> [tokens, vocabulary].
  at::Tensor logits(at::Tensor const& normed) const;

 protected:
  CausalLM(CausalLM const&) = default;

 private:
  virtual std::unique_ptr<CausalLM> copy() const = 0;
  /// As in the checkpoint.
  virtual Projection stored_projection(int layer) const = 0;

  ModelConfig config_;
  Placement placement_;
  std::string fingerprint_;
  std::map<int, at::Tensor> replaced_;  ///< weights of second projections by layer
};

/// Builds the checkpoint's family on the device. Weights stay memory-mapped where dtype and device allow it. On a GPU, sums by
/// index come out the same in every run from then on, in the whole process.
std::unique_ptr<CausalLM> load_causal_lm(Checkpoint const& checkpoint, Placement placement);

/// Throws UserError, naming `where` and the number of layers, when the model has no such layer.
void require_layer(CausalLM const& model, int layer, std::string const& where);

}  // namespace onemask
