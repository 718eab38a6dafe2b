#include "doctor/rank_facts.hpp"

#include <onemask/comm/environment.hpp>
#include <onemask/comm/machine.hpp>
#include <onemask/compute/computing.hpp>
#include <onemask/core/build_info.hpp>
#include <onemask/core/cores.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/json_line.hpp>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// Of the running program's file; two builds of one revision may differ.
std::string program_hash() {
  try {
    return sha256_file("/proc/self/exe").substr(0, 12);
  } catch (UserError const&) {
    return "unknown";
  }
}

}  // namespace

RankFacts own_host_facts() {
  auto const info = build_info();
  RankFacts facts;
  facts.host = host_name();
  facts.program = version() + ", revision " + info.at("revision") + ", file " + program_hash();
  facts.library = message_passing().library;
  facts.processor = processor_name();
  auto const cores = usable_cores();
  facts.cores.assign(cores.begin(), cores.end());
  facts.quota = core_quota();
  facts.memory = memory_of();
  return facts;
}

std::string to_bytes(RankFacts const& facts) {
  return json_line({{"host", facts.host},
                    {"program", facts.program},
                    {"library", facts.library},
                    {"processor", facts.processor},
                    {"cores", facts.cores},
                    {"quota", facts.quota},
                    {"threads", facts.threads},
                    {"memory", {facts.memory.size, facts.memory.available}},
                    {"clock", facts.clock},
                    {"device", facts.device},
                    {"visible_gpus", facts.visible_gpus},
                    {"gpu", facts.gpu},
                    {"bus_id", facts.bus_id},
                    {"uuid", facts.uuid},
                    {"numa_node", facts.numa_node},
                    {"near_cores", facts.near_cores},
                    {"gpu_memory", {facts.gpu_memory, facts.gpu_free}},
                    {"rate", facts.rate}});
}

RankFacts rank_facts_from(std::string const& bytes) {
  auto const entry = nlohmann::json::parse(bytes);
  RankFacts facts;
  entry.at("host").get_to(facts.host);
  entry.at("program").get_to(facts.program);
  entry.at("library").get_to(facts.library);
  entry.at("processor").get_to(facts.processor);
  entry.at("cores").get_to(facts.cores);
  entry.at("quota").get_to(facts.quota);
  entry.at("threads").get_to(facts.threads);
  facts.memory = {entry.at("memory").at(0), entry.at("memory").at(1)};
  entry.at("clock").get_to(facts.clock);
  entry.at("device").get_to(facts.device);
  entry.at("visible_gpus").get_to(facts.visible_gpus);
  entry.at("gpu").get_to(facts.gpu);
  entry.at("bus_id").get_to(facts.bus_id);
  entry.at("uuid").get_to(facts.uuid);
  entry.at("numa_node").get_to(facts.numa_node);
  entry.at("near_cores").get_to(facts.near_cores);
  facts.gpu_memory = entry.at("gpu_memory").at(0);
  facts.gpu_free = entry.at("gpu_memory").at(1);
  entry.at("rate").get_to(facts.rate);
  return facts;
}

}  // namespace onemask
