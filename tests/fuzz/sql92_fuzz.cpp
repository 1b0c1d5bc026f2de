// The SQL92 filter: any text compiles or is refused with a reason within its limits, and a program gives the same
// verdict each time, over raw and over walked properties. Up to the first zero byte the input is the text, behind it
// stand the properties.

#include "filter/program.h"
#include "fuzz/fuzz.h"

using namespace merlin;
using namespace merlin::filter;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Copy input(data, size);
  const std::string_view bytes = as_text(input.view());
  const std::string_view text = bytes.substr(0, bytes.find('\0'));
  const std::string_view properties = text.size() < bytes.size() ? bytes.substr(text.size() + 1) : std::string_view();

  const auto program = Program::compile(text);
  if (!program.ok()) {
    FUZZ_CHECK(!program.error().message.empty());
    return 0;
  }
  const Verdict verdict = (*program)->run(properties);
  PropertyList list;
  list.assign(properties);
  FUZZ_CHECK((*program)->run(list) == verdict);
  const Requirement* required = (*program)->requirement();
  if (verdict == Verdict::yes && required != nullptr) {
    const auto value = message::find_property(properties, required->name);
    bool found = false;
    for (const std::string& wanted : required->values) found = found || value == wanted;
    FUZZ_CHECK(found);
  }
  return 0;
}
