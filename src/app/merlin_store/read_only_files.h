// A file system that changes nothing: commands that only read are given this one, so that they cannot do otherwise.
#pragma once

#include "merlin/base/file_system.h"

namespace merlin::tool {

class ReadOnlyFiles final : public FileSystem {
 public:
  explicit ReadOnlyFiles(FileSystem& files) : files_(files) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode) override {
    return files_.open(path, OpenMode::read_only);
  }
  Status rename(const std::string& from, const std::string&) override { return refuse(from); }
  Status remove(const std::string& path) override { return refuse(path); }
  Status remove_tree(const std::string& path) override { return refuse(path); }
  Status make_dirs(const std::string& path) override { return refuse(path); }
  Status sync_dir(const std::string& path) override { return refuse(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return files_.list(path); }
  bool exists(const std::string& path) override { return files_.exists(path); }
  bool is_dir(const std::string& path) override { return files_.is_dir(path); }
  Result<DiskSpace> space(const std::string& path) override { return files_.space(path); }
  Result<std::unique_ptr<File>> lock(const std::string& path) override { return refuse(path).error(); }

 private:
  static Status refuse(const std::string& path) {
    return Error{Errc::unsupported, path + " is only looked at, not changed"};
  }
  FileSystem& files_;
};

}  // namespace merlin::tool
