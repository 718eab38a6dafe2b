#pragma once

#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/model/device.hpp>
#include <onemask/model/layers.hpp>

#include <string>

#include <ATen/ATen.h>

namespace onemask {

/// Takes a checkpoint's weights to where and how a model computes.
class WeightReader {
 public:
  WeightReader(Checkpoint const& checkpoint, Placement placement) : checkpoint_(checkpoint), placement_(placement) {}

  at::Tensor operator()(std::string const& name, at::IntArrayRef shape) const {
    return checkpoint_.tensor(name, shape).to(placement_.device, placement_.dtype);
  }
  /// The same in float32 whatever the model's type.
  at::Tensor wide(std::string const& name, at::IntArrayRef shape) const {
    return checkpoint_.tensor(name, shape).to(placement_.device, at::kFloat);
  }
  /// NAME.weight of the shape, [out, in] of a matrix or [size] of a norm, and NAME.bias.
  Linear linear(std::string const& name, at::IntArrayRef shape, bool bias) const {
    return {(*this)(name + ".weight", shape), bias ? (*this)(name + ".bias", {shape.front()}) : at::Tensor()};
  }

 private:
  Checkpoint const& checkpoint_;
  Placement placement_;
};

}  // namespace onemask
