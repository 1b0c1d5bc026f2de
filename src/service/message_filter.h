// The filters of consumers, as pulls and held pulls ask them.
//
// Threads: any number at once; nothing of a filter changes after it was made.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "filter/program.h"
#include "store/message_store.h"

namespace merlin::service {

// More than the store asks: a message that has just come is shown to many, with its properties walked once.
class Filter : public store::MessageFilter {
 public:
  // Asked only when needs_record(), in its place.
  virtual bool matches_properties(const filter::PropertyList& properties) const {
    (void)properties;
    return true;
  }
  // When not empty: only messages with one of these tags codes (their low 32 bits) can match.
  virtual std::span<const int32_t> tag_codes() const { return {}; }
  // How much work one message may be, in steps of a program.
  virtual size_t steps() const { return 1; }
  // The same in units of about 10 ns, for a message whose longest property has so many bytes: a step may look at all of
  // them.
  static constexpr size_t property_bytes_per_unit = 16;
  static int64_t units_per_step(size_t property_bytes) {
    return static_cast<int64_t>(1 + property_bytes / property_bytes_per_unit);
  }
  // When not null: only messages with these properties can match. It lives as long as the filter.
  virtual const filter::Requirement* requirement() const { return nullptr; }
};

// Compares the low 32 bits of the unit's tags code with the subscription's codes; consumers check the real tag again.
class TagFilter final : public Filter {
 public:
  explicit TagFilter(std::vector<int32_t> codes);
  bool matches_tags_code(int64_t tags_code) const override;
  std::span<const int32_t> tag_codes() const override { return codes_; }

 private:
  std::vector<int32_t> codes_;  // constant; sorted, because an arrival asks every held pull of its queue
};

class SqlFilter final : public Filter {
 public:
  explicit SqlFilter(std::shared_ptr<const filter::Program> program) : program_(std::move(program)) {}
  bool matches_tags_code(int64_t) const override { return true; }
  bool needs_record() const override { return true; }
  bool matches_record(const message::RecordView& record) const override { return program_->matches(record.properties); }
  bool matches_properties(const filter::PropertyList& properties) const override {
    return program_->matches(properties);
  }
  const filter::Requirement* requirement() const override { return program_->requirement(); }
  size_t steps() const override { return program_->steps(); }

 private:
  const std::shared_ptr<const filter::Program> program_;
};

}  // namespace merlin::service
