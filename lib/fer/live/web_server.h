// The view for a browser, here or on the network, and the door for other programs: one page with
// the camera of this machine or the visitor's own, and an API (web/openapi.json).
//
// Built for a hostile network: see Guard for who is let in; everything that a client sends has a
// limit in size, time and rate; nothing that it sends is written or logged; a slow client loses
// frames, never the pipeline.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fer/live/pipeline.h"

namespace fer {

struct WebOptions {
  std::string host = "127.0.0.1";  // address to listen on
  int port = 8080;                 // 0: any that is free
  std::string tls_cert, tls_key;   // PEM files; both or none
  bool insecure = false;           // allows another host than loopback without TLS
  std::string token_file;          // empty: a random token for this start
  std::vector<std::string> names;  // further host names under which clients come
  bool camera = true;              // false: no frame will be put; the camera's streams answer 404
  SmootherOptions smoother;        // of the answers to visitors' own cameras
};

struct WebLimits {
  std::uint32_t header_bytes = 8 * 1024;
  double header_seconds = 5;              // also for the TLS handshake
  double body_seconds = 15;               // also for sending an answer
  double idle_seconds = 60;               // a connection or WebSocket without a sign of life
  std::uint64_t body_bytes = 12 << 20;    // of a picture to analyse
  std::uint64_t frame_bytes = 2 << 20;    // of a WebSocket message
  std::int64_t body_pixels = 24'000'000;  // before decoding
  std::int64_t frame_pixels = 4'000'000;
  int clients = 64;      // connections at a time
  double requests = 50;  // a second and connection
  double frames = 60;
  double logins = 5;  // wrong tokens a second of an address, and as many at once
};

class WebServer : public Sink {
 public:
  // Listens when it returns. Throws kInput for another host without TLS or `insecure`, a broken
  // certificate or token file; kRuntime when the port is taken.
  WebServer(SharedRecognizer& recognizer, Controls& controls, const WebOptions& options,
            const WebLimits& limits = {});
  ~WebServer() override;

  std::string address() const;  // http://127.0.0.1:8080/
  // The address with #token=..., percent-encoded: who has it is let in.
  std::string url() const;
  // Whose state is shown, while it is there.
  void watch(std::weak_ptr<const Pipeline> pipeline);

  bool wants_overlay() const override { return true; }
  void put(const LiveFramePtr& frame) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fer
