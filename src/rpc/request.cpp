#include "rpc/request.h"

namespace merlin::rpc {

void Responder::reply(int32_t code, std::string_view remark, ByteView body) {
  reply_with(code, remark, body, [](wire::CommandWriter&) {});
}

}  // namespace merlin::rpc
