#include "store/log/resync.h"

#include <algorithm>
#include <optional>

#include "store/log/log_reader.h"

namespace merlin::store {

namespace {

// A chain of records this long has left every body: frames, and so bodies, are at most 16 MiB.
constexpr int64_t chain_bytes_enough = int64_t{16} << 20;
constexpr int64_t search_chunk_bytes = int64_t{1} << 20;
constexpr int64_t page_bytes = 4096;
constexpr int64_t head_bytes = static_cast<int64_t>(message::physical_offset_at) + 8;

class Search {
 public:
  Search(const SegmentList& segments, int64_t limit)
      : segments_(segments), limit_(limit), reader_(segments, 0, true, nullptr, 64 * 1024) {}

  int64_t next_record(int64_t from) {
    int64_t at = from;
    while (at < limit_) {
      const auto segment = segments_.find(at);
      if (segment == nullptr) return limit_;
      const int64_t end = std::min(segment->end(), limit_);
      if (const auto behind = behind_sound_head(*segment, at); behind && (*behind >= end || fits(*behind))) {
        return *behind;
      }
      for (int64_t next = at + 1; next < end;) {
        next = candidate(*segment, next, end);
        if (next >= end) break;
        int64_t chain_end = next;
        if (leads_out(next, end, chain_end)) return next;
        // The records of that chain would all end at the same place.
        next = std::max(next + 1, chain_end);
      }
      at = end;
      if (at < limit_ && fits(at)) return at;
    }
    return limit_;
  }

 private:
  // A record, or the filler of a segment's end.
  bool fits(int64_t at) {
    if (at >= limit_) return at == limit_;
    reader_.seek(at);
    const LogReader::Step step = reader_.next(limit_);
    if (step == LogReader::Step::end) return true;
    // Behind a filler the reader looks at the next segment's first record already.
    if (reader_.position() / segments_.segment_size_bytes() != at / segments_.segment_size_bytes() &&
        reader_.position() % segments_.segment_size_bytes() == 0) {
      return true;
    }
    return step == LogReader::Step::record && !lacks_a_sector(reader_.record(), segments_.segment_size_bytes());
  }

  // Where the record at `at` ends, when its head is whole.
  std::optional<int64_t> behind_sound_head(Segment& segment, int64_t at) {
    if (at + head_bytes > std::min(segment.end(), limit_)) return std::nullopt;
    uint8_t head[head_bytes];
    if (!segment.read(head, at)) return std::nullopt;
    const auto size = load_be<int32_t>(head);
    const auto magic = load_be<int32_t>(head + 4);
    if (magic != message::magic_v1 && magic != message::magic_v2) return std::nullopt;
    if (load_be<int64_t>(head + message::physical_offset_at) != at) return std::nullopt;
    if (size < head_bytes || size > record_bytes_limit || at + size > segment.end() || at + size > limit_) {
      return std::nullopt;
    }
    return at + size;
  }

  bool leads_out(int64_t from, int64_t end, int64_t& chain_end) {
    int64_t at = from;
    while (at < end && at - from < chain_bytes_enough) {
      reader_.seek(at);
      const LogReader::Step step = reader_.next(end);
      if (step == LogReader::Step::end) break;
      if (step == LogReader::Step::record && !lacks_a_sector(reader_.record(), segments_.segment_size_bytes())) {
        at = reader_.position();
        continue;
      }
      const auto segment = segments_.find(at);
      const auto behind = segment == nullptr ? std::nullopt : behind_sound_head(*segment, at);
      if (!behind || at == from) {
        chain_end = at;
        return false;
      }
      at = *behind;
    }
    return true;
  }

  // The next place in [from, end) whose magic and own offset are right, or a filler of the right length.
  int64_t candidate(Segment& segment, int64_t from, int64_t end) {
    for (int64_t at = from; at < end;) {
      const int64_t size = std::min(search_chunk_bytes, end - at);
      read_what_can_be(segment, at, size);
      const int64_t found = candidate_in(at, size, segment.end());
      if (found >= 0) return found;
      if (at + size >= end) return end;
      at += size - head_bytes;  // a head may lie across
    }
    return end;
  }

  int64_t candidate_in(int64_t begin, int64_t size, int64_t segment_end) const {
    const uint8_t* const bytes = chunk_.data();
    for (int64_t i = 4; i + 4 <= size; ++i) {
      while (i + 8 <= size && load_be<int64_t>(bytes + i) == 0) i += 8;  // segments are mostly zeros behind their end
      if (i + 4 > size) break;
      const auto magic = load_be<int32_t>(bytes + i);
      const int64_t at = begin + i - 4;
      if (magic == message::magic_blank) {
        if (load_be<int32_t>(bytes + i - 4) == segment_end - at) return at;
      } else if (magic == message::magic_v1 || magic == message::magic_v2) {
        if (i - 4 + head_bytes <= size && load_be<int64_t>(bytes + i - 4 + message::physical_offset_at) == at)
          return at;
      }
    }
    return -1;
  }

  // Pages that cannot be read count as zeros.
  void read_what_can_be(Segment& segment, int64_t at, int64_t size) {
    chunk_.assign(static_cast<size_t>(size), 0);
    if (segment.read(chunk_, at)) return;
    for (int64_t page = at; page < at + size;) {
      const int64_t stop = std::min(page - page % page_bytes + page_bytes, at + size);
      const auto part = std::span(chunk_).subspan(static_cast<size_t>(page - at), static_cast<size_t>(stop - page));
      if (!segment.read(part, page)) std::fill(part.begin(), part.end(), uint8_t{0});
      page = stop;
    }
  }

  const SegmentList& segments_;
  const int64_t limit_;
  LogReader reader_;
  std::vector<uint8_t> chunk_;
};

}  // namespace

int64_t find_next_record(const SegmentList& segments, int64_t from, int64_t limit) {
  return Search(segments, limit).next_record(from);
}

}  // namespace merlin::store
