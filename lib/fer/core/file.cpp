#include "fer/core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {

namespace fs = std::filesystem;

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  bool close() {
    const int fd = std::exchange(fd_, -1);
    return fd < 0 || ::close(fd) == 0;
  }

 private:
  int fd_;
};

template <typename Buffer>
Buffer read_file(const fs::path& path) {
  const auto fail = [&]() {
    fail_input("cannot read " + path.string() + ": " + std::strerror(errno));
  };
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) fail();

  Buffer buffer;
  std::size_t used = 0;
  // The size is a hint: pipes have none. One byte more finds the end without growing.
  buffer.resize(static_cast<std::size_t>(status.st_size) + 1);
  for (;;) {
    if (used == buffer.size()) buffer.resize(used * 2 + 65536);
    const ssize_t got = ::read(file.get(), buffer.data() + used, buffer.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail();
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  buffer.resize(used);
  return buffer;
}

bool write_all(int fd, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

bool write_parts(int fd, std::span<const std::span<const std::uint8_t>> parts) {
  for (const auto& part : parts) {
    if (!write_all(fd, part)) return false;
  }
  return true;
}

}  // namespace

std::string read_text_file(const fs::path& path) { return read_file<std::string>(path); }

std::vector<std::uint8_t> read_binary_file(const fs::path& path) {
  return read_file<std::vector<std::uint8_t>>(path);
}

void write_file_atomically(const fs::path& path,
                           std::span<const std::span<const std::uint8_t>> parts) {
  const auto fail = [&]() {
    fail_runtime("cannot write " + path.string() + ": " + std::strerror(errno));
  };
  std::error_code ignored;
  // A device or pipe is written to, not replaced by a file, and a link keeps pointing at its file.
  // By the name that was given: /dev/stdout leads to a pipe that has none.
  const fs::file_status status = fs::status(path, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.valid() || !write_parts(file.get(), parts) || !file.close()) fail();
    return;
  }

  const fs::path target =
      fs::is_symlink(path, ignored) ? fs::weakly_canonical(path, ignored) : path;
  static std::atomic<int> counter{0};
  // In a container every process may be the first: one that was killed left such a name.
  constexpr int kTries = 10'000;
  fs::path temporary;
  int descriptor = -1;
  for (int i = 0; i < kTries && descriptor < 0 && (i == 0 || errno == EEXIST); ++i) {
    temporary = target.string() + format(".%d-%d.tmp", ::getpid(), counter++);
    descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  }
  Descriptor file(descriptor);
  if (!file.valid()) fail();
  if (fs::exists(status)) ::fchmod(file.get(), static_cast<mode_t>(status.permissions()));
  const bool written = write_parts(file.get(), parts) && ::fsync(file.get()) == 0 && file.close() &&
                       ::rename(temporary.c_str(), target.c_str()) == 0;
  if (!written) {
    const int reason = errno;
    ::unlink(temporary.c_str());
    errno = reason;
    fail();
  }
  // The new name itself reaches the disk with the folder; not every file system can do this.
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.valid()) ::fsync(directory.get());
}

void write_file_atomically(const fs::path& path, std::span<const std::uint8_t> bytes) {
  write_file_atomically(path, std::span<const std::span<const std::uint8_t>>(&bytes, 1));
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  write_file_atomically(path,
                        std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

std::string short_stem(const fs::path& path) {
  constexpr std::size_t kMost = 200;
  std::string stem = path.stem().string();
  if (stem.size() <= kMost) return stem;
  std::size_t end = kMost;
  // Inside a character, which has four bytes at most; a name may also be no UTF-8 at all.
  while (end > kMost - 4 && (stem[end] & 0xC0) == 0x80) --end;
  stem.resize(end);
  return stem;
}

void make_directories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error && !fs::is_directory(path, error) && !error) {
    error = std::make_error_code(std::errc::not_a_directory);
  }
  if (error) fail_runtime("cannot make the folder " + path.string() + ": " + error.message());
}

void check_run_name(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    fail_input("name '" + name + "' is no folder name");
}

fs::path make_run_folder(const fs::path& project, const std::string& name, bool exist_ok) {
  check_run_name(name);
  fs::path path = project / name;
  make_directories(exist_ok ? path : project);
  // Of two that begin at once each makes a folder of its own.
  for (int n = 2; !exist_ok; ++n) {
    std::error_code error;
    if (fs::create_directory(path, error)) break;
    if (error && error != std::errc::file_exists)
      fail_runtime("cannot make the folder " + path.string() + ": " + error.message());
    path = project / (name + std::to_string(n));
  }
  return path;
}

TemporaryFolder::TemporaryFolder() {
  std::error_code error;
  std::string pattern = (fs::temp_directory_path(error) / "fer-XXXXXX").string();
  if (error || ::mkdtemp(pattern.data()) == nullptr) {
    fail_runtime("cannot make the folder " + pattern + ": " +
                 (error ? error.message() : std::strerror(errno)));
  }
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace fer
