#include <onemask/settings/make_field.hpp>
#include <onemask/settings/model_options.hpp>

namespace onemask {

template <>
Fields<ModelOptions> const& fields_of<ModelOptions>() {
  using Model = ModelOptions;
  constexpr auto content = Enters::content;
  static Fields<Model> const fields{
      file("checkpoint", &Model::checkpoint, "folder of the checkpoint and its tokenizer").enter(content).must_be_given(),
      any_value(FieldType::text, "device", &Model::device,
                "cpu, cuda, cuda:N; auto: cuda where there is a GPU, rank by rank of a node")
          .enter(content),
      any_value(FieldType::text, "dtype", &Model::dtype, "of weights and activations: float32, bfloat16, float16 (GPUs)")
          .enter(content),
      any_value(FieldType::text, "products", &Model::products, "bfloat16 permits faster, less exact products of float32 matrices")
          .enter(content),
      number("threads", &Model::threads, at_least(1), "", "per rank; part of the result's bits").enter(content)};
  return fields;
}

}  // namespace onemask
