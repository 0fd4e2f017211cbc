#include "fer/live/web_guard.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/text.h"

namespace fer {

namespace {

constexpr std::size_t kSessions = 64;
constexpr std::chrono::hours kSessionTime{12};

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// "localhost:8080" -> "localhost", its port 8080; the scheme's own where none is named; -1: wrong.
std::string split_host(std::string_view authority, int default_port, int& port) {
  port = default_port;
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.ends_with(']')) {
    return to_lower(std::string(authority));
  }
  long long number = -1;
  port = parse_int(authority.substr(colon + 1), number) ? static_cast<int>(number) : -1;
  return to_lower(std::string(authority.substr(0, colon)));
}

}  // namespace

std::string Guard::cookie_name() const {
  // Cookies are shared by all ports of a host, sessions are not.
  return format("fer_session_%d", options_.port);
}

bool Guard::bearer(std::string_view authorization) const {
  constexpr std::string_view kScheme = "Bearer ";
  return authorization.starts_with(kScheme) &&
         same(authorization.substr(kScheme.size()), options_.token);
}

bool Guard::known_session(std::string_view cookie, Clock::time_point now) const {
  const std::string prefix = cookie_name() + '=';
  for (const std::string& part : split(cookie, ';')) {
    const std::string pair = trim(part);
    if (!pair.starts_with(prefix)) continue;
    const std::string_view id = std::string_view(pair).substr(prefix.size());
    return std::any_of(sessions_.begin(), sessions_.end(),
                       [&](const Session& s) { return now < s.until && same(s.id, id); });
  }
  return false;
}

Guard::Verdict Guard::check(const RequestFacts& request, Clock::time_point now) const {
  const int default_port = options_.scheme == "https" ? 443 : 80;
  int port = 0;
  const std::string host = split_host(request.host, default_port, port);
  const bool direct = options_.hosts.contains(host) && port == options_.port;
  const auto before = [&](int its_port) {
    return options_.hosts.contains(host + ':' + std::to_string(its_port));
  };
  const bool named = to_lower(std::string(request.host)) != host;  // the port
  const bool forwarded = named ? before(port) : before(80) || before(443);
  if (!direct && !forwarded) {
    return {421, "Host '" + printable(std::string(request.host)) +
                     "' is no name of this server; its host_name option adds one"};
  }
  if (!request.origin.empty()) {
    const std::string origin = to_lower(std::string(request.origin));
    const auto ours = [&](const std::string& scheme) {
      return origin == scheme + "://" + to_lower(std::string(request.host));
    };
    if (!(direct && ours(options_.scheme)) && !(forwarded && (ours("http") || ours("https"))))
      return {403, "requests of other sites are refused (Origin)"};
  }
  if (request.open) return {};
  if (bearer(request.authorization)) return {};
  if (!known_session(request.cookie, now)) {
    return {401, "the token of this start is needed: Authorization: Bearer TOKEN"};
  }
  if (request.changes && request.origin.empty()) {
    return {403, "without an Origin the Authorization header is needed"};
  }
  return {};
}

std::string Guard::open_session(Clock::time_point now) {
  sessions_.push_back({random_token(), now + kSessionTime});
  if (sessions_.size() > kSessions) sessions_.pop_front();
  return format("%s=%s; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict%s", cookie_name().c_str(),
                sessions_.back().id.c_str(), options_.scheme == "https" ? "; Secure" : "");
}

std::string random_token() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) fail_runtime("no random numbers from OpenSSL");
  std::string text;
  for (const unsigned char byte : bytes) text += format("%02x", byte);
  return text;
}

std::string read_token(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    fail_input(path + ": others may read this token; chmod 600 it");
  }
  const std::string token = trim(split(read_text_file(path), '\n').front());
  if (token.size() < 16) fail_input(path + ": a token has at least 16 characters");
  return token;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  for (const char c : text) {
    encoded += kUnreserved.find(c) != std::string_view::npos
                   ? std::string(1, c)
                   : format("%%%02X", static_cast<unsigned char>(c));
  }
  return encoded;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::set<std::string> host_names(const std::string& host) {
  // Of the many ways to write an address of IPv6, the one that browsers use.
  const auto written = [](const std::string& address) {
    if (address.find(':') == std::string::npos) return to_lower(address);
    in6_addr bytes{};
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool known = ::inet_pton(AF_INET6, address.c_str(), &bytes) == 1 &&
                       ::inet_ntop(AF_INET6, &bytes, text.data(), text.size()) != nullptr;
    return '[' + to_lower(known ? text.data() : address.c_str()) + ']';
  };
  std::set<std::string> names = {written(host)};
  if (is_loopback(host)) names.insert({"localhost", "127.0.0.1", "[::1]"});
  if (host != "0.0.0.0" && host != "::") return names;
  names.insert("localhost");
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) names.insert(to_lower(name.data()));
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return names;
  for (const ifaddrs* a = all; a != nullptr; a = a->ifa_next) {
    if (a->ifa_addr == nullptr) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = a->ifa_addr->sa_family;
    const void* address =
        family == AF_INET
            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(a->ifa_addr)->sin_addr)
            : &reinterpret_cast<const sockaddr_in6*>(a->ifa_addr)->sin6_addr;
    if ((family == AF_INET || family == AF_INET6) &&
        ::inet_ntop(family, address, text.data(), text.size()) != nullptr) {
      names.insert(written(text.data()));
    }
  }
  ::freeifaddrs(all);
  return names;
}

bool RateLimit::ready(Clock::time_point now) {
  const double passed = std::chrono::duration<double>(now - last_).count();
  left_ = std::min(per_second_, left_ + per_second_ * passed);
  last_ = now;
  return left_ >= 1;
}

bool RateLimit::allow(Clock::time_point now) {
  if (!ready(now)) return false;
  left_ -= 1;
  return true;
}

}  // namespace fer
