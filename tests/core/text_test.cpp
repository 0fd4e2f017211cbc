#include "fer/core/text.h"

#include <catch2/catch.hpp>
#include <clocale>
#include <cstdlib>

#include "fer/core/hash.h"
#include "support/skip.h"
#include "support/temp_folder.h"

using namespace fer;

TEST_CASE("format is printf into a string of any length") {
  CHECK(format("%d of %s", 3, "four") == "3 of four");
  CHECK(format("%s", std::string(5000, 'x').c_str()).size() == 5000);
  CHECK(format("plain") == "plain");
}

TEST_CASE("numbers have a decimal point whatever the program's locale writes") {
  // Made here, as few machines have one installed.
  const test::TempFolder folder;
  const std::string target = (folder / "de_DE.UTF-8").string();
  if (std::system(("localedef -i de_DE -f UTF-8 " + target + " > /dev/null 2>&1").c_str()) != 0) {
    return test::skip("localedef makes no German locale (package locales)");
  }
  ::setenv("LOCPATH", folder.path().c_str(), 1);
  REQUIRE(std::setlocale(LC_ALL, "de_DE.UTF-8") != nullptr);
  char here[8];
  std::snprintf(here, sizeof here, "%.1f", 0.5);
  const std::string written = format("%.1f %s", 0.5, here);
  std::setlocale(LC_ALL, "C");
  ::unsetenv("LOCPATH");
  CHECK(written == "0.5 0,5");
}

TEST_CASE("split keeps empty fields and join is its inverse") {
  CHECK(split("a,,b,", ',') == std::vector<std::string>{"a", "", "b", ""});
  CHECK(split("", ',') == std::vector<std::string>{""});
  for (const char* text : {"", "a", ",", "a,b,,c"}) CHECK(join(split(text, ','), ",") == text);
}

TEST_CASE("trim, lower and replace do what their names say") {
  CHECK(trim(" \t a b\r\n") == "a b");
  CHECK(trim("  ") == "");
  CHECK(to_lower("AbC-\xc3\x84") == "abc-\xc3\x84");  // only ASCII
  CHECK(replace_all("a&b&&", "&", "&amp;") == "a&amp;b&amp;&amp;");
  CHECK(replace_all("aaa", "aa", "b") == "ba");
  CHECK(replace_all("abc", "", "x") == "abc");
}

TEST_CASE("text for a terminal has no control characters and is as wide as it looks") {
  CHECK(printable("a\x1b[31mred\n\x7f") == "a?[31mred??");
  const std::string greeting = "\xd0\xbf\xd1\x80\xd0\xb8";  // three letters, six bytes
  CHECK(text_width(greeting) == 3);
  CHECK(cut_text(greeting, 2) == greeting.substr(0, 4));
  CHECK(cut_text(greeting, 9) == greeting);
  CHECK(cut_text("abc", 0) == "");
  CHECK(padded_text(greeting, 5) == greeting + "  ");
  CHECK(padded_text("too long", 3) == "too long");
}

TEST_CASE("a CSV field is quoted where it must be") {
  CHECK(csv_field("plain text") == "plain text");
  CHECK(csv_field("a,b") == "\"a,b\"");
  CHECK(csv_field("say \"hi\"\n") == "\"say \"\"hi\"\"\n\"");
  CHECK(csv_field("") == "");
}

TEST_CASE("text is made safe for HTML") {
  CHECK(html_escape("a < b & \"c\" > d") == "a &lt; b &amp; &quot;c&quot; &gt; d");
  CHECK(html_escape("&lt;") == "&amp;lt;");
}

TEST_CASE("base64 gives the vectors of RFC 4648") {
  const auto encode = [](const std::string& text) {
    return base64({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  CHECK(encode("") == "");
  CHECK(encode("f") == "Zg==");
  CHECK(encode("fo") == "Zm8=");
  CHECK(encode("foo") == "Zm9v");
  CHECK(encode("foobar") == "Zm9vYmFy");
  CHECK(encode("\xff\xfe\xfd") == "//79");
}

TEST_CASE("a typing error finds the name that was meant") {
  const std::vector<std::string> flags = {"epochs", "batch-size", "lr", "labels", "resume"};
  CHECK(nearest_name("epoch", flags) == "epochs");
  CHECK(nearest_name("epcohs", flags) == "epochs");
  CHECK(nearest_name("BATCH_SIZE", flags) == "batch-size");
  CHECK(nearest_name("lables", flags) == "labels");
  CHECK(nearest_name("rl", flags) == "lr");
  CHECK(nearest_name("wavelength", flags).empty());
  CHECK(nearest_name("on", {"lr"}).empty());
  CHECK(nearest_name("x", {}).empty());
  CHECK(nearest_name(std::string(1 << 20, 'a'), flags).empty());
  CHECK(did_you_mean("epoch", flags) == ", did you mean 'epochs'?");
  CHECK(did_you_mean("wavelength", flags).empty());
}

TEST_CASE("numbers and times are short for people") {
  CHECK(human_count(0) == "0");
  CHECK(human_count(7) == "7");
  CHECK(human_count(999) == "999");
  CHECK(human_count(999.6) == "1 k");
  CHECK(human_count(12'345) == "12.3 k");
  CHECK(human_count(1'257'000) == "1.26 M");
  CHECK(human_count(29.9e6) == "29.9 M");
  CHECK(with_thousands(0) == "0");
  CHECK(with_thousands(999) == "999");
  CHECK(with_thousands(1'000) == "1,000");
  CHECK(with_thousands(1'257'000) == "1,257,000");
  CHECK(with_thousands(-999) == "-999");
  CHECK(with_thousands(-1'000) == "-1,000");
  CHECK(human_duration(59.4) == "59s");
  CHECK(human_duration(59.6) == "1m00s");
  CHECK(human_duration(185) == "3m05s");
  CHECK(human_duration(2 * 3600 + 7 * 60 + 59) == "2h07m");
  CHECK(human_duration(-1) == "0s");
}

TEST_CASE("numbers are parsed whole or not at all") {
  double d = -1;
  for (const char* bad : {"", " 1", "1 ", "1,5", "1.5x", "0x10", "+-1", "--1", "one"}) {
    INFO("'" << bad << "'");
    CHECK_FALSE(parse_double(bad, d));
  }
  CHECK(d == -1);
  CHECK((parse_double("1e-3", d) && d == 1e-3));
  CHECK((parse_double("+2.5", d) && d == 2.5));
  long long i = -1;
  for (const char* bad : {"", "1.0", "9223372036854775808", "12a", " 3"}) {
    INFO("'" << bad << "'");
    CHECK_FALSE(parse_int(bad, i));
  }
  CHECK(i == -1);
  CHECK((parse_int("-42", i) && i == -42));
  CHECK((parse_int("9223372036854775807", i) && i == 9223372036854775807));
}

TEST_CASE("the fingerprint is FNV-1a") {
  // http://www.isthe.com/chongo/tech/comp/fnv/: test vectors of the 64-bit variant.
  CHECK(Fingerprint().hex() == "cbf29ce484222325");
  Fingerprint a;
  a.add(std::string("a"));
  CHECK(a.hex() == "af63dc4c8601ec8c");
  Fingerprint foobar;
  foobar.add(std::string("foo"));
  foobar.add(std::string("bar"));
  CHECK(foobar.hex() == "85944171f73967e8");
}

TEST_CASE("UTF-8 is told from bytes that are none") {
  for (const char* text : {"", "plain", "f\xC3\xA9lix", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                           "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    INFO(text);
    CHECK(is_utf8(text));
  }
  for (const char* text : {"f\xE9lix", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
                           "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\x80", "\xE2\x82"}) {
    INFO(text);
    CHECK_FALSE(is_utf8(text));
  }
}
