// The body of a batch send: every entry lies inside, every step gets nearer to the end.

#include "fuzz/fuzz.h"
#include "merlin/message/properties.h"
#include "merlin/message/record.h"

using namespace merlin;
using namespace merlin::message;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Copy input(data, size);
  ByteView rest = input.view();
  while (!rest.empty()) {
    const size_t before = rest.size();
    const Result<BatchEntry> e = take_batch_entry(rest);
    if (!e.ok()) return 0;
    FUZZ_CHECK(rest.size() + 22 + e->body.size() + e->properties.size() == before);
    FUZZ_CHECK(e->body.empty() || (e->body.data() >= input.view().data() && e->body.data() < rest.data()));
    tags_code(e->properties);
  }
  return 0;
}
