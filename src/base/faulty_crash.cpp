// What a power cut leaves of FaultyFileSystem's disk.
#include "faulty_disk.h"
#include "faulty_state.h"
#include "merlin/base/faulty_file_system.h"

namespace merlin {

using faulty::Directory;
using faulty::Inode;
using faulty::Node;

namespace {

// Builds the next boot's disk from one that lost its power.
class CrashCopy {
 public:
  CrashCopy(FaultyFileSystem::State& out, CrashChooser& choose, bool torn_sectors)
      : out_(out), choose_(choose), torn_sectors_(torn_sectors) {}

  void directory(const Directory& from, Directory& to) {
    std::map<std::string, Node> entries = from.durable;
    const size_t kept = from.pending.empty() ? 0 : choose_.kept_of(from.pending.size());
    for (size_t i = 0; i < kept; ++i) {
      for (const auto& [name, node] : from.pending[i].names) {
        if (node) {
          entries[name] = node;
        } else {
          entries.erase(name);
        }
      }
    }
    for (const auto& [name, node] : entries) {
      if (node.directory) {
        auto copy = std::make_shared<Directory>();
        directory(*node.directory, *copy);
        to.live[name] = Node{nullptr, std::move(copy)};
      } else {
        std::shared_ptr<Inode>& copy = copied_[node.file.get()];
        if (!copy) {
          copy = std::make_shared<Inode>(out_.file_size_max, &out_.used_bytes);
          node.file->crash_into(*copy, choose_, torn_sectors_);
        }
        copy->link();
        to.live[name] = Node{copy, nullptr};
      }
    }
    to.durable = to.live;
  }

 private:
  FaultyFileSystem::State& out_;
  CrashChooser& choose_;
  const bool torn_sectors_;
  std::map<const Inode*, std::shared_ptr<Inode>> copied_;
};

class RandomChooser final : public CrashChooser {
 public:
  RandomChooser(uint64_t seed, CrashOptions options) : random_(seed), options_(options) {}
  bool survives() override { return faulty::coin(random_, options_.page_survival); }
  size_t kept_of(size_t changes) override {
    return faulty::coin(random_, options_.entry_survival) ? changes : random_() % changes;
  }

 private:
  faulty::Random random_;
  const CrashOptions options_;
};

uint64_t digest_of(const Directory& directory) {
  static constexpr uint64_t prime = 1099511628211U;
  uint64_t hash = directory.live.size();
  for (const auto& [name, node] : directory.live) {
    hash = (hash * prime) ^ std::hash<std::string>()(name);
    hash = (hash * prime) ^ (node.directory ? digest_of(*node.directory) : node.file->digest());
  }
  return hash;
}

}  // namespace

std::unique_ptr<FaultyFileSystem> FaultyFileSystem::crash(uint64_t seed, CrashOptions options) const {
  RandomChooser choose(seed, options);
  return crash(choose, options.torn_sectors, seed);
}

std::unique_ptr<FaultyFileSystem> FaultyFileSystem::crash(CrashChooser& choose, bool torn_sectors,
                                                          uint64_t seed) const {
  const std::lock_guard lock(state_->mutex);
  auto next = std::make_unique<FaultyFileSystem>(seed, state_->file_size_max);
  CrashCopy(*next->state_, choose, torn_sectors).directory(*state_->root, *next->state_->root);
  return next;
}

uint64_t FaultyFileSystem::digest() const {
  const std::lock_guard lock(state_->mutex);
  return digest_of(*state_->root);
}

}  // namespace merlin
