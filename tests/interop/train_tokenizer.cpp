// Trains a tokenizer on the texts of stdin, a JSON string a line: train_tokenizer SIZE FOLDER. For train_tokenizer_test.py.
#include <onemask/tokenizer/train_tokenizer.hpp>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

int main(int count, char** words) {
  try {
    if (count != 3) throw std::runtime_error("usage: train_tokenizer SIZE FOLDER");
    std::vector<std::string> texts;
    for (std::string line; std::getline(std::cin, line);) texts.push_back(nlohmann::json::parse(line).get<std::string>());
    onemask::write_tokenizer(onemask::train_byte_pairs(texts, std::stoll(words[1])), words[2], 1024);
    return 0;
  } catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
