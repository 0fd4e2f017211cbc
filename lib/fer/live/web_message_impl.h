// HTTP messages of Boost.Beast as what the guard and the API read, and their answers as messages.
#pragma once

#include <string>

#include "fer/live/web_api.h"
#include "fer/live/web_beast_impl.h"
#include "fer/live/web_guard.h"

namespace fer::web {

// What decides whether a request is let in; `open`: it asks for nothing that needs a token.
RequestFacts request_facts(const http::request_header<>& header, bool open);

// A HEAD is a GET whose answer goes without its body.
WebCall web_call(const Request& request, const std::string& path);
Response web_response(const Request& request, const WebReply& reply);

// On every answer: nothing is cached, framed, or loaded from elsewhere.
void set_common_fields(http::fields& fields);

}  // namespace fer::web
