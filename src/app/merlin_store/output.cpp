#include "app/merlin_store/output.h"

#include <unistd.h>

#include "meta/durable_json.h"

namespace merlin::tool {

Output::Output(std::FILE* out, bool json) : out_(out), json_(json), terminal_(isatty(STDERR_FILENO) != 0) {}

void Output::row(std::string_view kind, std::initializer_list<Field> fields) {
  line_.clear();
  if (json_) {
    line_ = R"({"row":)";
    meta::append_json_string(line_, kind);
  } else {
    line_ = kind;
  }
  for (const Field& field : fields) {
    line_.push_back(json_ ? ',' : ' ');
    if (json_) {
      meta::append_json_string(line_, field.name);
      line_.push_back(':');
    } else {
      line_.append(field.name).push_back('=');
    }
    if (const auto* number = std::get_if<int64_t>(&field.value)) {
      line_ += std::to_string(*number);
    } else if (const std::string_view text = std::get<std::string_view>(field.value);
               json_ || text.empty() || text.find_first_of(" \"=\n\r\t\x01\x02") != std::string_view::npos) {
      meta::append_json_string(line_, text);
    } else {
      line_ += text;
    }
  }
  line_ += json_ ? "}\n" : "\n";
  std::fwrite(line_.data(), 1, line_.size(), out_);
}

void Output::damage(std::string_view file, int64_t position, std::string_view what) {
  ++damages_;
  row("damage", {{"file", file}, {"position", position}, {"what", what}});
}

void Output::note(std::string_view file, std::string_view what) {
  row("note", {{"file", file}, {"what", what}});
}

void Output::progress(std::string_view what, int64_t done, int64_t all) {
  if (!terminal_ || all <= 0) return;
  const int64_t permille = done * 1000 / all;
  if (permille == shown_permille_) return;
  shown_permille_ = permille;
  std::fprintf(stderr, "\r%.*s %3d.%d %%  ", static_cast<int>(what.size()), what.data(),
               static_cast<int>(permille / 10), static_cast<int>(permille % 10));
  if (done >= all) std::fprintf(stderr, "\r\033[K");
}

}  // namespace merlin::tool
