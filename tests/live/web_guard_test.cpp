#include "fer/live/web_guard.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "support/program.h"

using namespace fer;
using namespace fer::test;

namespace {

const std::string kToken = "0123456789abcdef0123456789abcdef";

Guard make_guard() {
  GuardOptions options;
  options.token = kToken;
  options.port = 8080;
  options.hosts = host_names("127.0.0.1");
  return Guard(options);
}

RequestFacts good() {
  RequestFacts facts;
  facts.host = "127.0.0.1:8080";
  facts.authorization = "Bearer 0123456789abcdef0123456789abcdef";
  return facts;
}

std::string cookie_of(const std::string& set_cookie) {
  return set_cookie.substr(0, set_cookie.find(';'));
}

}  // namespace

TEST_CASE("in an address everything but letters, digits and -._~ is percent-encoded") {
  CHECK(percent_encoded("aZ09-._~") == "aZ09-._~");
  CHECK(percent_encoded("a+b&c=d/e#f g%") == "a%2Bb%26c%3Dd%2Fe%23f%20g%25");
  CHECK(percent_encoded("\xC3\xA9") == "%C3%A9");
  const std::string token = random_token();
  CHECK(percent_encoded(token) == token);
}

TEST_CASE("an address of IPv6 is known however it is written") {
  CHECK(host_names("::FFFF:127.0.0.1").contains("[::ffff:127.0.0.1]"));
  CHECK(host_names("FD00:0:0::1").contains("[fd00::1]"));
}

TEST_CASE("a name with a port is that of a proxy before the server, with its own scheme") {
  GuardOptions options;
  options.token = kToken;
  options.port = 8080;
  options.hosts = host_names("127.0.0.1");
  options.hosts.insert("localhost:9000");
  options.hosts.insert("foo.local:443");
  const Guard guard(options);
  const auto status = [&](const char* host, const char* origin) {
    RequestFacts facts = good();
    facts.host = host;
    facts.origin = origin;
    return guard.check(facts).status;
  };
  CHECK(status("localhost:9000", "http://localhost:9000") == 200);
  CHECK(status("localhost:9000", "https://localhost:9000") == 200);
  CHECK(status("foo.local", "https://foo.local") == 200);
  CHECK(status("foo.local", "https://bar.local") == 403);
  CHECK(status("foo.local:8080", "") == 421);
  CHECK(status("localhost:9001", "") == 421);
  CHECK(status("127.0.0.1:8080", "https://127.0.0.1:8080") == 403);
  RequestFacts facts = good();
  facts.host = "elsewhere:9001";
  CHECK(guard.check(facts).reason ==
        "Host 'elsewhere:9001' is no name of this server; its host_name option adds one");
}

TEST_CASE("the token lets in, nothing less does") {
  const Guard guard = make_guard();
  CHECK(guard.check(good()).status == 200);
  for (const char* wrong :
       {"", "Bearer ", "Bearer 0123456789abcdef0123456789abcdeF",
        "0123456789abcdef0123456789abcdef", "Bearer 0123456789abcdef0123456789abcdef ",
        "Basic 0123456789abcdef0123456789abcdef"}) {
    RequestFacts facts = good();
    facts.authorization = wrong;
    CHECK(guard.check(facts).status == 401);
    facts.open = true;
    CHECK(guard.check(facts).status == 200);
  }
}

TEST_CASE("a foreign Host is refused even where no token is asked for") {
  const Guard guard = make_guard();
  for (const char* host : {"", "evil.example", "evil.example:8080", "127.0.0.1", "127.0.0.1:80",
                           "localhost:8080.evil.example", "127.0.0.1:8080:8080", "[::1]"}) {
    RequestFacts facts = good();
    facts.host = host;
    facts.open = true;
    INFO(host);
    CHECK(guard.check(facts).status == 421);
  }
  for (const char* host : {"localhost:8080", "LocalHost:8080", "[::1]:8080"}) {
    RequestFacts facts = good();
    facts.host = host;
    CHECK(guard.check(facts).status == 200);
  }
}

TEST_CASE("an Origin must be the server's own where there is one") {
  const Guard guard = make_guard();
  for (const char* origin : {"http://evil.example", "null", "https://127.0.0.1:8080",
                             "http://127.0.0.1:8081", "http://localhost:8080"}) {
    RequestFacts facts = good();
    facts.origin = origin;
    CHECK(guard.check(facts).status == 403);
  }
  RequestFacts facts = good();
  facts.origin = "http://127.0.0.1:8080";
  CHECK(guard.check(facts).status == 200);
}

TEST_CASE("a session's cookie lets in, but changes nothing without an Origin") {
  Guard guard = make_guard();
  const std::string set = guard.open_session();
  CHECK_THAT(set, Catch::Contains("HttpOnly") && Catch::Contains("SameSite=Strict") &&
                      Catch::StartsWith("fer_session_8080="));
  CHECK(set.find("Secure") == std::string::npos);
  const std::string cookie = "theme=dark; " + cookie_of(set);
  RequestFacts facts;
  facts.host = "127.0.0.1:8080";
  facts.cookie = cookie;
  CHECK(guard.check(facts).status == 200);
  facts.changes = true;
  CHECK(guard.check(facts).status == 403);
  facts.origin = "http://127.0.0.1:8080";
  CHECK(guard.check(facts).status == 200);
  facts.cookie =
      "fer_session_8080=0000000000000000000000000000000000000000000000000000000000000000";
  CHECK(guard.check(facts).status == 401);
}

TEST_CASE("sessions end after twelve hours and are bounded in number") {
  Guard guard = make_guard();
  const auto start = Guard::Clock::now();
  const std::string cookie = cookie_of(guard.open_session(start));
  RequestFacts facts;
  facts.host = "127.0.0.1:8080";
  facts.cookie = cookie;
  CHECK(guard.check(facts, start + std::chrono::hours(11)).status == 200);
  CHECK(guard.check(facts, start + std::chrono::hours(13)).status == 401);
  for (int i = 0; i < 64; ++i) guard.open_session(start);
  CHECK(guard.check(facts, start).status == 401);
}

TEST_CASE("tokens are random, and one from a file is long and its owner's alone") {
  CHECK(random_token().size() == 32);
  CHECK(random_token() != random_token());
  const TemporaryFolder folder;
  const std::string file = folder / "token";
  write_text(file, kToken + "\n");
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  CHECK(read_token(file) == kToken);
  std::filesystem::permissions(file, std::filesystem::perms(0644));
  CHECK_THROWS_AS(read_token(file), Error);
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  write_text(file, "short\n");
  CHECK_THROWS_AS(read_token(file), Error);
}

TEST_CASE("a rate limit lets through as many as it says, and more after a while") {
  RateLimit limit(10);
  const auto start = RateLimit::Clock::now();
  int allowed = 0;
  for (int i = 0; i < 100; ++i) allowed += limit.allow(start);
  CHECK(allowed == 10);
  for (int i = 0; i < 100; ++i) allowed += limit.allow(start + std::chrono::milliseconds(500));
  CHECK(allowed == 15);
}
