// The JSON form of a header: one pass over the bytes, straight into a CommandView; no tree, no map.
//
// Shapes:   texts are views into the header, or into scratch.unescaped when they had escapes.
// Limits:   header_limit_bytes, ext_fields_limit, json_depth_max for nested values (which are kept as raw text).
// Fails:    Errc::invalid naming what was expected and the byte at which it was missing.
#pragma once

#include "merlin/wire/command.h"

namespace merlin::wire {

inline constexpr int json_depth_max = 32;

Status decode_json_header(ByteView header, HeaderScratch& scratch, CommandView& out);

}  // namespace merlin::wire
