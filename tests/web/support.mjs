// What the tests of the page share: the program under test, the samples, a skip with a reason.
import {spawn, execFileSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {join, dirname} from 'node:path';
import {fileURLToPath} from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
export const liveProgram = process.env.FER_LIVE;
export const model = process.env.FER_MODEL || join(here, '../model/data/version1.safetensors');

export function skip(reason) {
  console.log('SKIPPED: ' + reason);
  process.exit(77);  // what ctest takes for a skip
}

export function has(command) {
  try {
    execFileSync('sh', ['-c', 'command -v ' + command], {stdio: 'ignore'});
    return true;
  } catch {
    return false;
  }
}

export function sample(name) {
  const path = join(process.env.FER_SAMPLES || '', name);
  if (!process.env.FER_SAMPLES || !existsSync(path)) skip(name + ' is not in FER_SAMPLES');
  return path;
}

// Starts fer-live --view web on a free port and waits for its address.
export async function startLive(...flags) {
  const child = spawn(liveProgram, ['--model', model, '--view', 'web', '--port', '0', ...flags],
                      {stdio: ['ignore', 'inherit', 'pipe']});
  let said = '';
  const url = await new Promise((resolve, reject) => {
    child.stderr.on('data', (data) => {
      said += data;
      const found = said.match(/open (https?:\S+)/);
      if (found) resolve(found[1]);
    });
    child.on('exit', (code) => reject(new Error(`fer-live ended with ${code}: ${said}`)));
  });
  const [base, token] = url.split('/#token=');
  const stop = () => new Promise((resolve) => {
    if (child.exitCode !== null) return resolve(child.exitCode);
    child.removeAllListeners('exit');
    child.on('exit', resolve);
    child.kill('SIGINT');
  });
  return {base, token, url, stop, pid: child.pid, said: () => said};
}
