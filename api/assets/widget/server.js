// Calls to the server, within a session.

let joined;
let session;
let conversation;
const store = (value) => {
  try {
    if (value) sessionStorage.setItem(STORE_KEY, JSON.stringify(value));
    return JSON.parse(sessionStorage.getItem(STORE_KEY));
  } catch {
    return null;
  }
};
// A challenge is answered, which takes a moment and the visitor nothing; a new one if the address has changed meanwhile.
const send = async (path, body, headers, signal, tries = 3) => {
  const response = await fetch(origin + path, {
    method: body ? 'POST' : 'GET',
    credentials: 'omit',
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    body: body && JSON.stringify(body),
    signal,
  });
  const asked = response.headers.get('omniops-challenge');
  if (!asked || !tries) return response;
  return send(path, body, { ...headers, 'omniops-proof': await prove(asked, signal) }, signal, tries - 1);
};
const checked = async (response) => {
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw { ...problem, status: response.status, wait: parseInt(response.headers.get('retry-after'), 10) || 0 };
};
// By this device's clock alone, which may be wrong by hours.
const current = (candidate) => candidate?.until > Date.now() + 5000;

// What a session is asked for: the script tag's language, and the page's or the browser's.
const wish = { domain, locale: settings.lang?.slice(0, 35), page_locale: locale };

// The session that an earlier page of this tab has kept, while its token lasts; else a fresh token. An earlier token keeps the session
// and with it the conversation, also when it has ended: a visitor who was away for an hour notices nothing.
const enter = async () => {
  const kept = session ? null : store();
  if (kept?.session?.words) ({ session, conversation } = kept);
  if (!current(session)) {
    const bearer = session && { authorization: 'Bearer ' + session.token };
    const renewed = await (await checked(await send('/api/widget/session', wish, bearer))).json();
    if (renewed.session_id !== session?.session_id) conversation = null;
    session = { ...renewed, until: Date.now() + renewed.expires_in * 1000 };
    if (store()) store({ session, conversation });
  }
  texts = session.texts || {};
  choose(session.locale, settings.lang, pageLang, navigator.language);
  Object.assign(t, session.words);
  if (session.name) t.bot = session.name;
  setTheme(session.theme);
  relabel();
  return session;
};
const join = () => {
  if (session && !current(session)) joined = null;
  joined ||= enter().catch((problem) => {
    joined = null;
    throw problem;
  });
  return joined;
};

// Sends with the session's token, which is renewed once if the server refuses it. `body` is asked for each time.
const authorised = async (path, body, headers, signal, renewed) => {
  const { token } = await join();
  const response = await send(path, body?.(), { authorization: 'Bearer ' + token, ...headers }, signal);
  if (response.status !== 401 || renewed) return checked(response);
  joined = null;
  session.until = 0;
  return authorised(path, body, headers, signal, true);
};

// Yields [event, data, id] of a `text/event-stream` body (WHATWG HTML, section 9.2.6, without retry).
async function* events(response, alive) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    const blocks = (buffer + value).split(/\r?\n\r?\n/);
    buffer = blocks.pop();
    for (const block of blocks) {
      let event = 'message';
      let id;
      const data = [];
      for (const line of block.split(/\r?\n/)) {
        const [, name, text] = /^([^:]*):? ?(.*)/s.exec(line);
        if (name === 'event') event = text;
        if (name === 'id') id = text;
        if (name === 'data') data.push(text);
      }
      if (data.length) yield [event, JSON.parse(data.join('\n')), id];
    }
  }
}
