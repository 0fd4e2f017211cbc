// Who may talk to the server, decided from the header alone, before a body is read.
//
// A web page of another site can make a browser send requests to this server (cross-site request
// forgery) or reach it under a name of its own (DNS rebinding). So: the Host must be one of ours,
// an Origin must be ours where there is one, and everything but the page itself and /healthz needs
// the token of this start - as Authorization: Bearer, or as a cookie that was given for it.
#pragma once

#include <chrono>
#include <deque>
#include <set>
#include <string>
#include <string_view>

namespace fer {

struct GuardOptions {
  std::string token;
  std::string scheme = "http";  // or https
  int port = 0;
  // Lower case, IPv6 in brackets. Without a port they go with that of the server; with one they are
  // addresses of a proxy or a tunnel before it, whose scheme is its own.
  std::set<std::string> hosts;
};

struct RequestFacts {
  bool open = false;     // the page's own files and /healthz
  bool changes = false;  // a POST or a WebSocket: what a browser sends without asking
  std::string_view host, origin, authorization, cookie;  // header fields, "" where absent
};

class Guard {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Guard(const GuardOptions& options) : options_(options) {}

  struct Verdict {
    int status = 200;  // else 401, 403 or 421
    std::string reason = {};
  };
  Verdict check(const RequestFacts& request, Clock::time_point now = Clock::now()) const;
  bool bearer(std::string_view authorization) const;  // "Bearer TOKEN", compared in constant time

  // A Set-Cookie value for a caller that showed the token. The newest 64 sessions count, each for
  // 12 hours.
  std::string open_session(Clock::time_point now = Clock::now());

 private:
  bool known_session(std::string_view cookie, Clock::time_point now) const;
  std::string cookie_name() const;
  struct Session {
    std::string id;
    Clock::time_point until;
  };
  GuardOptions options_;
  std::deque<Session> sessions_;
};

// 128 random bits as 32 hexadecimal digits: the address of the page fits into a line of 80.
std::string random_token();
// The first line of the file; throws kInput when it is shorter than 16 characters, or when others
// than its owner may read it.
std::string read_token(const std::string& path);
// As it may stand in an address: all bytes but letters, digits and -._~ as %XX (RFC 3986).
std::string percent_encoded(std::string_view text);

bool is_loopback(std::string_view host);
// Names under which a server on `host` is reached: itself, localhost for loopback; all addresses
// and the name of this machine for 0.0.0.0 and ::.
std::set<std::string> host_names(const std::string& host);

// So many events a second on average, and as many at once.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;
  explicit RateLimit(double per_second) : per_second_(per_second), left_(per_second) {}
  bool allow(Clock::time_point now = Clock::now());
  bool ready(Clock::time_point now = Clock::now());  // what allow() would say; counts nothing

 private:
  double per_second_, left_;
  Clock::time_point last_ = Clock::now();
};

}  // namespace fer
