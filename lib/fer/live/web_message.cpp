#include "fer/live/web_message_impl.h"

namespace fer::web {

RequestFacts request_facts(const http::request_header<>& header, bool open) {
  RequestFacts facts;
  facts.open = open;
  facts.changes = header.method() != http::verb::get && header.method() != http::verb::head;
  facts.host = view(header[http::field::host]);
  facts.origin = view(header[http::field::origin]);
  facts.authorization = view(header[http::field::authorization]);
  facts.cookie = view(header[http::field::cookie]);
  return facts;
}

void set_common_fields(http::fields& fields) {
  fields.set(http::field::cache_control, "no-store");
  fields.set("X-Content-Type-Options", "nosniff");
  fields.set("Referrer-Policy", "no-referrer");
  fields.set("Cross-Origin-Resource-Policy", "same-origin");
  fields.set("Cross-Origin-Opener-Policy", "same-origin");
  fields.set("Permissions-Policy", "camera=(self), microphone=(), geolocation=()");
  fields.set("Content-Security-Policy",
             "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
             "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'");
}

WebCall web_call(const Request& request, const std::string& path) {
  const bool head = request.method() == http::verb::head;
  return {head ? "GET" : view(request.method_string()), path,
          view(request[http::field::authorization]), request.body()};
}

Response web_response(const Request& request, const WebReply& reply) {
  Response message(http::int_to_status(static_cast<unsigned>(reply.status)), 11);
  set_common_fields(message);
  message.set(http::field::content_type, reply.type);
  if (!reply.cookie.empty()) message.set(http::field::set_cookie, reply.cookie);
  if (reply.status == 401) message.set(http::field::www_authenticate, "Bearer");
  message.keep_alive(request.keep_alive());
  if (request.method() != http::verb::head) message.body() = reply.body;
  message.content_length(reply.body.size());
  return message;
}

}  // namespace fer::web
