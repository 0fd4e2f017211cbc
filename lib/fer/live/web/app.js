// The page of fer-live: shows what the server says, sends what the visitor allows, keeps nothing but
// which camera was chosen.
'use strict';

const $ = (id) => document.getElementById(id);
const state = {mode: 'server', labels: [], settings: {}, points: [], result: null, faces: []};
const colourOf = (label) => (state.labels.find((l) => l.name === label) || {colour: '#888888'}).colour;

// ---- the server --------------------------------------------------------------------------------

async function call(path, options = {}, longest = 5000) {
  const signal = AbortSignal.timeout(longest);
  const reply = await fetch(path, {credentials: 'same-origin', signal, ...options}).catch((error) => {
    throw error.name === 'TimeoutError' ? new Error('the server does not answer') : error;
  });
  if (reply.status === 401) $('locked').open || $('locked').showModal();
  const body = await reply.json().catch(() => null);
  if (!reply.ok || body === null) throw new Error(body?.error || reply.statusText || 'no answer of fer-live');
  return body;
}

// The token of the address, '' without one: percent-encoded, as fer-live prints it, or as it stands in its file.
function tokenOfAddress() {
  const [, token] = location.hash.match(/^#token=(.+)/) || [, ''];
  try {
    return decodeURIComponent(token);
  } catch {
    return token;
  }
}

// The token is exchanged for a cookie that scripts cannot read, and leaves the address bar.
async function openSession() {
  const token = tokenOfAddress();
  if (!token) return;
  history.replaceState(null, '', location.pathname);
  await call('/api/session', {method: 'POST', headers: {Authorization: 'Bearer ' + token}});
  $('locked').close();
}

function say(text, bad = false) {
  if ($('state').textContent !== text) $('state').textContent = text;
  $('state').classList.toggle('bad', bad);
  state.lost = null;
}

// Over what stands there, which comes back when the server does.
function sayLost(text) {
  const before = state.lost || {text: $('state').textContent, bad: $('state').classList.contains('bad')};
  say(text, true);
  state.lost = before;
}

// Apart from the state, which is read out when it changes.
function showSpeed(text) {
  $('speed').textContent = text;
}

async function refresh() {
  let status;
  try {
    status = await call('/api/status');
  } catch (error) {
    sayLost(error instanceof TypeError ? 'the server is not there' : error.message);
    return;
  }
  $('locked').close();
  if (state.lost) say(state.lost.text, state.lost.bad);
  // Another server may have taken the place of the one that was there.
  if (JSON.stringify(state.labels) !== JSON.stringify(status.labels)) {
    state.labels = status.labels;
    state.points = [];
    $('rows').replaceChildren();
    $('legend').replaceChildren(...status.labels.map((label) => {
      const item = document.createElement('li');
      item.append(document.createElement('b'), label.name);
      item.firstChild.style.background = label.colour;
      return item;
    }));
    if (state.result) show(state.result);
  }
  $('about').textContent = `fer ${status.version} (${status.commit}), model ${status.architecture}, ` +
      status.detector + (status.uncertain_below > 0 ? `; "uncertain" below ${Math.round(100 * status.uncertain_below)} %` : '');
  state.settings = status.settings;
  for (const key of ['blur', 'figures', 'paused']) $('set-' + key).checked = status.settings[key];
  $('recording').hidden = !status.recording;
  $('storing').hidden = !status.storing_answers;
  state.camera = status.camera;
  if (state.mode === 'server') {
    const camera = status.camera;
    if (!camera) say('this server has no camera of its own');
    else if (camera.notice) say(camera.notice, camera.name !== '');  // without a name it is being opened
    else if (camera.ended) say(camera.name + ' has ended');
    else if (status.settings.paused) say(camera.name + ' is paused');
    else say(camera.name);
  }
}

// ---- what is seen ------------------------------------------------------------------------------

function show(result) {
  state.result = result;
  const faces = result.faces.map((face, i) => ({
    id: face.id || i + 1,
    box: face.box,
    label: 'smoothed_label' in face ? face.smoothed_label : face.label,
    confidence: 'smoothed_confidence' in face ? face.smoothed_confidence : face.confidence,
    probabilities: face.smoothed_probabilities || face.probabilities,
    uncertain: 'smoothed_uncertain' in face ? face.smoothed_uncertain : face.uncertain,
    issues: face.issues,
  }));
  state.faces = faces;
  showRows(faces);
  if (state.mode !== 'picture') {
    state.points.push({at: performance.now(), id: faces.length ? faces[0].id : 0,
                       p: faces.length && faces[0].label ? faces[0].probabilities : null});
  }
  drawOverlay();
}

const caption = (face) => !face.label ? face.issues.join(', ') :
    `${face.uncertain ? 'uncertain' : face.label} ${Math.round(100 * face.confidence)} %`;

// Rows are kept and changed, so that the bars glide and the page stays quick.
function showRows(faces) {
  const rows = $('rows');
  while (rows.children.length > faces.length) rows.lastChild.remove();
  while (rows.children.length < faces.length) rows.append(makeRow());
  faces.forEach((face, i) => {
    const [number, name, bars] = rows.children[i].children;
    number.textContent = '#' + face.id;
    name.firstChild.textContent = face.label ? (face.uncertain ? 'uncertain' : face.label) : 'no answer';
    name.firstChild.style.setProperty('--swatch', face.label && !face.uncertain ? colourOf(face.label) : 'transparent');
    name.lastChild.textContent = face.label ? Math.round(100 * face.confidence) + ' %' : face.issues.join(', ');
    state.labels.forEach((label, c) => {
      const p = face.probabilities[label.name] || 0;
      bars.children[c].children[1].firstChild.style.width = (100 * p).toFixed(1) + '%';
      bars.children[c].children[2].textContent = Math.round(100 * p) + ' %';
    });
  });
  $('no-face').hidden = faces.length > 0;
  rows.parentElement.hidden = faces.length === 0;
}

function makeRow() {
  const make = (tag, ...children) => {
    const element = document.createElement(tag);
    element.append(...children);
    return element;
  };
  const bars = state.labels.map((label) => {
    const fill = make('b');
    fill.style.background = label.colour;
    const bar = make('div', make('span', label.name), make('i', fill), make('span'));
    bar.className = 'bar';
    return bar;
  });
  return make('tr', make('td'), make('td', make('strong'), make('small')), make('td', ...bars));
}

// Boxes over the visitor's own camera or picture; the server draws its own.
function drawOverlay() {
  const {faces} = state;
  const canvas = $('overlay');
  const context = canvas.getContext('2d');
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (state.mode === 'server' || !state.result) return;
  const {width, height} = state.result;
  const view = state.mode === 'own' ? $('own-view') : $('picture-view');
  const scale = Math.min(view.clientWidth / width, view.clientHeight / height) * ratio;
  const left = (canvas.width - width * scale) / 2;
  const top = (view.offsetTop + view.clientHeight / 2) * ratio - height * scale / 2;
  const mirrored = state.mode === 'own' && $('set-mirror').checked;
  const size = 15 * ratio;
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  for (const face of faces) {
    const [x, y, w, h] = face.box;
    const drawnX = left + (mirrored ? width - x - w : x) * scale;
    const drawnY = top + y * scale;
    if ($('set-blur').checked) {
      pixelate(context, view, [x, y, w, h], [drawnX, drawnY, w * scale, h * scale],
               (view.videoWidth || view.naturalWidth) / width);
    }
    const colour = face.label && !face.uncertain ? colourOf(face.label) : '#9a9a9a';
    context.lineWidth = 3 * ratio;
    context.strokeStyle = colour;
    context.strokeRect(drawnX, drawnY, w * scale, h * scale);
    const text = `#${face.id} ${caption(face)}`;
    const wide = context.measureText(text).width + size;
    const textX = Math.max(0, Math.min(drawnX, canvas.width - wide));
    const textY = Math.max(0, drawnY - size * 1.7);
    context.fillStyle = '#000c';
    context.fillRect(textX, textY, wide, size * 1.6);
    context.fillStyle = colour;
    context.fillRect(textX, textY, size * .3, size * 1.6);
    context.fillStyle = '#fff';
    context.fillText(text, textX + size * .6, textY + size * .85);
  }
}

const mosaic = document.createElement('canvas');
function pixelate(context, view, [x, y, w, h], target, zoom) {
  mosaic.width = mosaic.height = 8;
  const small = mosaic.getContext('2d');
  small.drawImage(view, x * zoom, y * zoom, w * zoom, h * zoom, 0, 0, 8, 8);
  context.imageSmoothingEnabled = false;
  context.drawImage(mosaic, ...target);
}

function drawTimeline() {
  const canvas = $('timeline');
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const context = canvas.getContext('2d');
  const now = performance.now();
  const span = 60000;
  while (state.points.length && now - state.points[0].at > span) state.points.shift();
  const id = state.points.findLast((point) => point.id)?.id || 0;
  $('time-of').textContent = id ? `of face #${id}` : '';
  state.points.forEach((point, i) => {
    if (!point.p || point.id !== id) return;
    const next = state.points[i + 1];
    const from = canvas.width * (1 - (now - point.at) / span);
    const until = canvas.width * (1 - (now - Math.min(next ? next.at : now, point.at + 1500)) / span);
    let y = canvas.height;
    for (const label of state.labels) {
      const tall = canvas.height * (point.p[label.name] || 0);
      context.fillStyle = label.colour;
      context.fillRect(from, y - tall, Math.max(until - from, 1) + .6, tall);
      y -= tall;
    }
  });
}

// ---- three places to look ----------------------------------------------------------------------

let events = null, socket = null, camera = null, sentAt = 0, retry = 0;
let looks = 0;  // what began in an earlier look touches nothing of a later one
let wanted = '';  // the id of the visitor's camera that is seen, or is to be as soon as it is open
let turn = Promise.resolve();  // settled when no change of the camera is under way
let trouble = '';  // why the camera that was asked for last is not the one that is seen

function stopAll() {
  if (events) events.close();
  if (socket) socket.close();
  closeCamera();
  clearTimeout(retry);
  events = socket = null;
  wanted = trouble = '';
  turn = Promise.resolve();
  $('server-view').removeAttribute('src');
}

function hint(text) {
  $('hint').textContent = text;
  $('hint').hidden = !text;
}

async function look(mode) {
  const mine = ++looks;
  stopAll();
  state.mode = mode;
  state.points = [];
  state.result = null;
  for (const tab of document.querySelectorAll('nav button')) {
    tab.setAttribute('aria-pressed', tab.dataset.mode === mode);
  }
  $('server-view').hidden = mode !== 'server';
  $('own-view').hidden = mode !== 'own';
  showChoice();
  $('picture-view').hidden = true;
  $('drop').hidden = mode !== 'picture';
  $('drop').classList.remove('small');
  hint('');
  showSpeed('');
  state.faces = [];
  showRows([]);
  drawOverlay();
  if (mode !== 'server') say('');
  if (mode === 'server') await lookAtServer(mine);
  if (mode === 'own') await lookAtOwnCamera(mine);
}

async function lookAtServer(mine) {
  await refresh();
  if (mine !== looks || document.hidden || $('locked').open) return;
  if (state.camera === undefined) return;  // the server did not answer; tick() asks again
  if (state.camera === null) {
    hint('This server has no camera of its own. Use yours, or drop a picture.');
    return;
  }
  events = new EventSource('/api/events');
  // With the events the picture is asked for again: after a loss it would stand still. The server
  // ends it where it cannot be sent for long; the events, which are small, go on.
  let heard = 0;
  const askForPicture = () => {
    heard = performance.now();
    $('server-view').src = '/stream.mjpg?early&' + Date.now();
  };
  events.onopen = askForPicture;
  events.onmessage = (event) => {
    if (performance.now() - heard > 5000) askForPicture();
    heard = performance.now();
    show(JSON.parse(event.data));
  };
}

async function lookAtOwnCamera(mine) {
  if (!navigator.mediaDevices) {
    say('no camera', true);
    hint('Browsers give a camera only to https pages and to localhost.');
    return;
  }
  try {
    await openCamera(mine, choice).catch((error) => {
      // The camera that was chosen once may be gone or in use, another one will do; a refusal stands.
      if (mine !== looks || !choice || error.name === 'NotAllowedError') throw error;
      closeCamera();
      return openCamera(mine, '');
    });
  } catch (error) {
    if (mine === looks) noCamera(error);
    return;
  }
  if (mine !== looks) return;
  wanted = idOf(camera);
  listCameras();
  sendCamera(mine, 1000);
}

// The camera with this id, for '' the one that the browser prefers. It is let go again where something
// else is looked at by the time it is allowed.
async function openCamera(mine, id) {
  const video = $('own-view');
  const size = {width: {ideal: 640}, height: {ideal: 480}};
  const stream = await navigator.mediaDevices.getUserMedia({video: id ? {...size, deviceId: {exact: id}} : size});
  if (mine !== looks) return stream.getTracks().forEach((track) => track.stop());
  camera = stream;
  for (const track of stream.getTracks()) {
    track.onended = () => {
      if (mine !== looks || stream !== camera) return;
      ++looks;
      stopAll();
      forget();
      say('my camera is gone', true);
      hint('The camera was taken away. Choose "My camera" again when it is back.');
      listCameras();
    };
  }
  takeSide(stream);
  video.srcObject = stream;
  video.classList.toggle('mirror', $('set-mirror').checked);
  await video.play();
}

function closeCamera() {
  if (camera) camera.getTracks().forEach((track) => track.stop());
  camera = null;
  $('own-view').srcObject = null;
}

const reasonOf = (error) => error.message || error.name;

function noCamera(error) {
  stopAll();
  say('no camera', true);
  hint('No camera: ' + reasonOf(error));
  listCameras();
}

// What was said of pictures that are no longer there.
function forget() {
  state.result = null;
  state.faces = [];
  showRows([]);
  showSpeed('');
  drawOverlay();
}

const sayOwn = () => say(trouble || 'my camera', trouble !== '');

function sendCamera(mine, pause) {
  const to = socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
  to.onopen = () => {
    pause = 1000;
    sayOwn();
    send(to);
  };
  to.onclose = () => {
    if (mine !== looks || to !== socket) return;
    forget();
    say('the connection was closed; trying again', true);
    retry = setTimeout(sendCamera, pause, mine, Math.min(2 * pause, 30000));
  };
  to.onmessage = (event) => {
    if (mine !== looks) return;
    const reply = JSON.parse(event.data);
    if (reply.type === 'result' && camera) {  // while the camera is changed, an answer is of the one before
      show(reply);
      sayOwn();
      showSpeed(`answered in ${Math.round(performance.now() - sentAt)} ms`);
    } else if (reply.type === 'error') {
      say(reply.error, true);
    }
    // One frame is on its way at a time, and no more than were asked for.
    const wait = 1000 / $('set-rate').value - (performance.now() - sentAt);
    setTimeout(send, Math.max(0, wait), to);
  };
}

const frame = document.createElement('canvas');
function send(to) {
  const video = $('own-view');
  if (to.readyState !== WebSocket.OPEN) return;
  if (!video.videoWidth) return setTimeout(send, 50, to);
  const scale = Math.min(1, 640 / Math.max(video.videoWidth, video.videoHeight));
  frame.width = Math.round(video.videoWidth * scale);
  frame.height = Math.round(video.videoHeight * scale);
  frame.getContext('2d').drawImage(video, 0, 0, frame.width, frame.height);
  frame.toBlob((blob) => {
    if (to.readyState !== WebSocket.OPEN) return;
    sentAt = performance.now();
    to.send(blob);
  }, 'image/jpeg', .8);
}

// ---- which of the visitor's cameras ------------------------------------------------------------

// It is kept under a name of its own: other programs, too, serve pages at localhost:8080.
let choice = '';
try {
  choice = localStorage.getItem('fer-live.camera') || '';
} catch {
  // A browser that keeps nothing: the choice lasts as long as the page.
}

function remember(id) {
  choice = id;
  try {
    localStorage.setItem('fer-live.camera', id);
  } catch {
    // As above.
  }
}

const settingsOf = (stream) => stream.getVideoTracks()[0].getSettings();
const idOf = (stream) => settingsOf(stream).deviceId || '';

// A camera at the back is not mirrored, the others are; either as the visitor left it.
const mirror = {front: true, back: false};
let side = 'front';
function takeSide(stream) {
  mirror[side] = $('set-mirror').checked;
  side = settingsOf(stream).facingMode === 'environment' ? 'back' : 'front';
  $('set-mirror').checked = mirror[side];
}

function showChoice() {
  $('choose-camera').hidden = state.mode !== 'own' || $('set-camera').length < 2;
}

let listed = '';
async function listCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  // Without the visitor's permission they have no ids.
  const cameras = devices.filter((device) => device.kind === 'videoinput' && device.deviceId);
  const select = $('set-camera');
  if (listed !== JSON.stringify(cameras)) {
    listed = JSON.stringify(cameras);
    select.replaceChildren(...cameras.map(({label, deviceId}, i) => new Option(label || 'camera ' + (i + 1), deviceId)));
  }
  if (select.value !== wanted) select.value = wanted;
  showChoice();
}

// The camera before is closed first, since many phones open only one at a time, and comes back where
// the new one cannot be opened. The connection stays.
async function switchCamera(mine, id) {
  if (!camera) {
    remember(id);
    return look('own');
  }
  const before = idOf(camera);
  if (id === before) return;
  const name = $('set-camera').selectedOptions[0]?.text || 'that camera';
  closeCamera();
  forget();
  trouble = '';
  try {
    await openCamera(mine, id);
    if (mine === looks) remember(id);
  } catch (error) {
    if (mine !== looks) return;
    closeCamera();
    if (wanted === id) wanted = before;
    trouble = `${name} cannot be opened: ${reasonOf(error)}`;
    sayOwn();
    await openCamera(mine, before).catch((error) => mine === looks && noCamera(error));
  }
  if (mine === looks) listCameras();
}

// ---- a picture ---------------------------------------------------------------------------------

async function lookAtPicture(file) {
  if (!file) return;
  if (state.mode !== 'picture') look('picture');
  const mine = ++looks;
  const view = $('picture-view');
  say('looking …');
  try {
    const result = await call('/api/analyze', {method: 'POST', body: file}, 60000);
    if (mine !== looks) return;
    URL.revokeObjectURL(view.src);
    view.src = URL.createObjectURL(file);
    await view.decode();
    if (mine !== looks) return;
    view.hidden = false;
    $('drop').classList.add('small');
    show(result);
    const n = result.faces.length;
    say(n === 0 ? 'no face' : n === 1 ? '1 face' : n + ' faces');
  } catch (error) {
    if (mine === looks) say(error.message, true);
  }
}

// ---- the visitor -------------------------------------------------------------------------------

for (const tab of document.querySelectorAll('nav button')) tab.onclick = () => look(tab.dataset.mode);
for (const key of ['blur', 'figures', 'paused']) {
  $('set-' + key).onchange = async (event) => {
    try {
      await call('/api/settings', {method: 'POST', body: JSON.stringify({[key]: event.target.checked})});
    } catch (error) {
      say(error.message, true);
    }
    await refresh();
    drawOverlay();
  };
}
$('set-mirror').onchange = () => {
  $('own-view').classList.toggle('mirror', $('set-mirror').checked);
  drawOverlay();
};
$('set-camera').onchange = () => {
  const mine = looks, id = wanted = $('set-camera').value;
  // One after the other, and none that was only passed on the way to the next.
  turn = turn.then(() => mine === looks && id === wanted ? switchCamera(mine, id) : null);
};
navigator.mediaDevices?.addEventListener('devicechange', () => { if (state.mode === 'own') listCameras(); });
addEventListener('resize', drawOverlay);
$('set-rate').oninput = () => { $('rate-value').textContent = $('set-rate').value; };
$('file').onchange = () => {
  lookAtPicture($('file').files[0]);
  $('file').value = '';  // the same file again is another choice
};
for (const name of ['dragover', 'dragleave', 'drop']) {
  addEventListener(name, (event) => {
    event.preventDefault();
    $('drop').classList.toggle('over', name === 'dragover');
    if (name === 'drop') lookAtPicture(event.dataTransfer.files[0]);
  });
}
$('locked').addEventListener('cancel', (event) => event.preventDefault());

async function enter() {
  try {
    await openSession();
  } catch (error) {
    say(error.message, true);
    return;
  }
  await look(state.mode);
}

// A locked page asks, too: another tab may have opened the session.
let ticking = false;
async function tick() {
  if (ticking || document.hidden) return;
  ticking = true;
  const locked = $('locked').open;
  try {
    await refresh();
    // A server that could not be asked before, or events that the browser has given up.
    const blind = state.mode === 'server' && state.camera && !document.hidden &&
        (!events || events.readyState === EventSource.CLOSED);
    if (blind && !$('locked').open) await look('server');
    else if (locked && !$('locked').open) look(state.mode);
  } finally {
    ticking = false;
  }
}

// A page that nobody sees keeps none of the few connections that a browser has to a server.
document.addEventListener('visibilitychange', () => {
  if (state.mode !== 'server') return;
  if (document.hidden) stopAll();
  else look('server');
});

addEventListener('hashchange', () => { if (tokenOfAddress()) enter(); });
enter();
setInterval(tick, 2000);
setInterval(drawTimeline, 200);
