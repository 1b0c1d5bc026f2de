#include "merlin/base/result.h"

#include <cerrno>
#include <cstring>

namespace merlin {

Error errno_error(std::string_view what, int sys_errno) {
  Errc code = Errc::io;
  if (sys_errno == ENOSPC || sys_errno == EDQUOT) code = Errc::no_space;
  if (sys_errno == ENOENT) code = Errc::not_found;
  char text[128];
  const char* reason = strerror_r(sys_errno, text, sizeof text);
  return Error{code, std::string(what) + ": " + reason, sys_errno};
}

}  // namespace merlin
