// Expected errors as values. Bugs assert; exceptions stay inside the library calls that throw them.
//
// Shape:   Result<T> holds a T or an Error; Status is a Result without a value.
// Threads: plain values.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace merlin {

enum class Errc {
  invalid,      // the caller's input is wrong; the message says what, the value and the limit
  not_found,    // the thing named does not exist
  exists,       // the thing named exists already
  limit,        // a named limit is reached
  no_space,     // the disk is full
  io,           // the operating system refused; sys_errno says why
  corrupt,      // stored bytes do not fit their format
  closed,       // the component is closing or closed
  timeout,      // the deadline passed first
  unsupported,  // known, but not built
};

struct [[nodiscard]] Error {
  Errc code = Errc::invalid;
  std::string message;
  int sys_errno = 0;

  // Adds context on the way up: "open commit log: <message>".
  Error with(std::string_view context) const { return Error{code, std::string(context) + ": " + message, sys_errno}; }
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    assert(ok());
    return std::get<0>(state_);
  }
  const T& value() const& {
    assert(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    assert(ok());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    assert(!ok());
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const {
    assert(!ok_);
    return error_;
  }

 private:
  Error error_;
  bool ok_ = true;
};

using Status = Result<void>;

// The Error that the current errno stands for, with ENOSPC and EDQUOT told apart from other I/O errors.
Error errno_error(std::string_view what, int sys_errno);

}  // namespace merlin
