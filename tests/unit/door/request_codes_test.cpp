// Every request code of the protocol is either answered by the broker or refused on purpose: none is forgotten.
#include <map>

#include <gtest/gtest.h>

#include "door/remoting/all_rows.h"
#include "merlin/wire/request_code.h"

namespace merlin::door {
namespace {

TEST(RequestCodes, EachBrokerCodeIsAnsweredOrRefusedOnPurpose) {
  std::map<int32_t, int> mentions;
  for (const int32_t code : implemented_codes) ++mentions[code];
  for (const NotSupported& row : not_supported_codes) {
    ++mentions[row.code];
    EXPECT_NE(std::string_view(row.waits_for), "");
  }
  for (const wire::RequestCodeRow& row : wire::request_codes) {
    const int expected = row.answerer == wire::Answerer::broker ? 1 : 0;
    EXPECT_EQ(mentions[row.code], expected) << row.code << " " << row.name;
    mentions.erase(row.code);
  }
  for (const auto& [code, count] : mentions) ADD_FAILURE() << code << " stands in no table of the protocol";
}

}  // namespace
}  // namespace merlin::door
