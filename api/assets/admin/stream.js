// Follows a stream of server-sent events. By fetch instead of EventSource: it tells why it was refused, and begins where it is told to.
import { ask } from './api.js';
import { session } from './session.js';

const pause = (ms, signal) =>
  new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });

// Yields [event, data, id] of a body (WHATWG HTML, section 9.2.6, without retry).
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (buffer + value).split(/\r?\n\r?\n/);
      buffer = blocks.pop();
      for (const block of blocks) {
        const lines = block.split(/\r?\n/).map((line) => /^([^:]*):? ?(.*)/s.exec(line));
        const of = (name) => lines.filter(([, found]) => found === name).map(([, , text]) => text);
        const data = of('data');
        if (data.length) yield [of('event')[0] ?? 'message', JSON.parse(data.join('\n')), of('id')[0]];
      }
    }
  } finally {
    // Whoever has heard enough leaves, and the server is told.
    reader.cancel().catch(() => {});
  }
}

// What the page asks by itself must not keep a session alive that nobody uses: it stops when there was no sign of a person for this long.
const UNATTENDED = 10 * 60_000;
let used = Date.now();
for (const sign of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart']) {
  addEventListener(sign, () => (used = Date.now()), { capture: true, passive: true });
}
const attended = () => !document.hidden && Date.now() - used < UNATTENDED;

// Calls `heard(event, data)` for each event until it returns true, the signal aborts, or the server says that there is nothing to follow.
// A lost connection is taken up where it broke off.
export const follow = async (path, { signal, last = 0, heard }) => {
  let place = last;
  while (!signal.aborted) {
    let wait = 2000 + Math.random() * 1000;
    try {
      const headers = { accept: 'text/event-stream', ...(place && { 'last-event-id': String(place) }) };
      const response = await ask('GET', path, { query: { customer_id: session.customer.id }, headers, signal });
      for await (const [event, data, id] of events(response.body)) {
        if (id) place = id;
        if (event === 'error') break;
        if (heard(event, data)) return;
      }
    } catch (problem) {
      if (signal.aborted || [401, 403, 404].includes(problem.status)) return;
      wait = Math.max(wait, (problem.wait ?? 0) * 1000);
    }
    do await pause(wait, signal);
    while (!signal.aborted && !attended());
  }
};

// Does something now and then again and again while somebody is at the page, until the signal aborts. What fails waits for as long as the server says.
export const repeat = async (seconds, signal, deed) => {
  while (!signal.aborted) {
    let wait = seconds;
    if (attended()) {
      try {
        await deed();
      } catch (problem) {
        wait = Math.max(wait, problem.wait ?? 0);
      }
    }
    await pause(wait * 1000, signal);
  }
};
