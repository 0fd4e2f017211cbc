// Who is on the line without having shown a token.
#pragma once

#include <list>
#include <utility>

#include "fer/live/web_beast_impl.h"

namespace fer::web {

// Connections that have not shown a token yet, the oldest first: when all places are taken they
// give way, so that nobody without one keeps the owner out.
class Strangers {
 public:
  using Sockets = std::list<beast::tcp_stream*>;

  class Member {
   public:
    Member(Sockets& all, beast::tcp_stream& socket) : all_(&all) {
      at_ = all.insert(all.end(), &socket);
    }
    Member(const Member&) = delete;
    ~Member() { leave(); }
    void leave() {
      if (all_ != nullptr) std::exchange(all_, nullptr)->erase(at_);
    }
    bool stranger() const { return all_ != nullptr; }

   private:
    Sockets* all_;
    Sockets::iterator at_;
  };

  Member join(beast::tcp_stream& socket) { return {all_, socket}; }
  // False where there is none. Its coroutine ends when it is next looked after.
  bool drop_oldest() {
    if (all_.empty()) return false;
    beast::tcp_stream* oldest = all_.front();
    all_.splice(all_.end(), all_, all_.begin());  // the next one's turn
    oldest->cancel();
    error_code ignored;
    oldest->socket().close(ignored);
    return true;
  }

 private:
  Sockets all_;
};

}  // namespace fer::web
