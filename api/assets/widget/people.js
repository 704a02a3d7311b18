// People: asking for one, who has the word, and replies as they come.

const desk = el('div', { className: 'desk', hidden: true });
form.before(desk);
// The last state told by the server, and what was read of the conversation's events.
let stands = { state: 'bot', overdue: false };
let lastEvent = 0;
let following;
const known = new Set();

const ofConversation = (rest) => `/api/conversations/${encodeURIComponent(conversation)}${rest}`;
const actions = (...kids) => el('div', { className: 'acts' }, ...kids);
const pushable = (text, onclick) => Object.assign(el('button', { type: 'button', className: 'button' }, text), { onclick });
const replaced = (text, name) => text.replace('%', () => name || t.person);

// A person's turn. The name is said to everybody, the colour only repeats it.
const personal = ({ id, text, name }) => {
  if (known.has(id)) return null;
  known.add(id);
  return bubble('bot human', name || t.person, el('p', { className: 'meta who', 'aria-hidden': 'true', dir: 'auto' }, name || t.person), el('div', { className: 'text' }, ...format(text, [])));
};

// A line in the log that tells what changed.
const notice = (text) => {
  if (!text) return;
  say(el('p', { className: 'notice' }, text));
  announce(text);
};

// Asks the server for a change, and shows what came of it.
const change = (path, body) =>
  authorised(ofConversation(path), () => body)
    .then((response) => response.json())
    .then((now) => become(now))
    .catch((problem) => {
      announce(explain(problem));
      notice(problem.status === 429 ? t.busy : t.err);
    });
const askPerson = () => change('/handoff', {}).then(() => field.focus());
const backToBot = () => change('/handoff/cancel', {}).then(() => field.focus());

// What the visitor chooses about the own data. A wish that is not heard is said again with the next page's first question.
const decide = (choice) => authorised('/api/consent', () => choice).catch(() => {});
// Global Privacy Control: the header of the browser says it to the server; what only the page can see is said once.
let heeded;
const heed = () => {
  if (heeded || !navigator.globalPrivacyControl || session.privacy?.do_not_sell) return;
  heeded = true;
  decide({ do_not_sell: true });
};
// A line about data, where the customer wants one.
const privacy = () => {
  const url = web(session.privacy?.url);
  return session.privacy?.notice && url ? el('p', { className: 'notice' }, t.data + ' ', link(url, {}, t.privacy)) : null;
};

// Where the visitor can be reached when nobody is there.
const address = () => {
  const input = el('input', { type: 'email', autocomplete: 'email', maxLength: 254, 'aria-label': t.email, placeholder: t.email });
  const give = el('button', { type: 'button', className: 'send', 'aria-label': t.send, title: t.send }, icon(SEND));
  const yes = session?.privacy?.ask_consent ? el('input', { type: 'checkbox' }) : null;
  give.onclick = async () => {
    if (!input.value.trim() || !input.checkValidity()) return input.focus();
    if (yes && !yes.checked) return yes.focus();
    if (yes) await decide({ consent: true });
    change('/handoff', { email: input.value.trim() }).then(() => {
      notice(t.kept);
      field.focus();
    });
  };
  input.onkeydown = (event) => {
    if (event.key === 'Enter' && !event.isComposing) give.onclick();
  };
  return el('div', { className: 'why' }, input, give, yes && el('label', {}, yes, el('span', {}, t.agree)));
};

// The bar above the question: who has the word, and what can be done about it.
const drawDesk = () => {
  const { state, agent, overdue, staffed, email_known: reachable } = stands;
  desk.hidden = !conversation || (state === 'bot' && session?.handoff?.enabled === false);
  const away = state === 'waiting' && (overdue || staffed === false);
  const kids = {
    bot: () => [pushable(t.human, askPerson)],
    closed: () => [el('p', {}, t.ended)],
    human: () => [el('p', { dir: 'auto' }, replaced(t.joined, agent)), pushable(t.back, backToBot)],
    waiting: () => [el('p', {}, away ? t.nobody : t.waiting), ...(reachable ? [] : [address()]), pushable(t.back, backToBot)],
  }[state]();
  const typed = desk.querySelector('[type=email]');
  const held = typed && typed === shadow.activeElement ? typed.value : null;
  follow(() => desk.replaceChildren(...kids));
  // What is being written is not lost when the state changes.
  const input = desk.querySelector('input');
  if (held !== null && input) {
    input.value = held;
    input.focus();
  }
};

const SAID = {
  waiting: (now) => (now.overdue || now.staffed === false ? t.nobody : t.waiting),
  human: (now) => replaced(t.joined, now.agent),
  closed: () => t.ended,
  bot: () => t.again,
};
const become = (now) => {
  const before = stands;
  stands = { ...stands, overdue: false, ...now };
  drawDesk();
  if (before.state !== stands.state || before.overdue !== stands.overdue || (stands.state === 'human' && before.agent !== stands.agent)) {
    notice(SAID[stands.state](stands));
    emit('people', { state: stands.state, agent: stands.agent });
  }
  listen();
};

// Follows the conversation while a person has the word or is waited for. A lost connection is taken up where it broke off.
const listen = async () => {
  if (following || !conversation || !/waiting|human/.test(stands.state)) return;
  const mine = conversation;
  following = true;
  try {
    while (mine === conversation && /waiting|human/.test(stands.state)) {
      try {
        const response = await authorised(ofConversation('/events'), null, { 'last-event-id': String(lastEvent) });
        for await (const [event, data, id] of events(response, () => {})) {
          if (id) lastEvent = +id;
          if (event === 'message' && data.message.role === 'human') {
            const box = personal(data.message);
            if (box) {
              say(box);
              // Whoever waits for it should see it, wherever the log was left.
              log.scrollTop = log.scrollHeight;
              announce(`${data.message.name || t.person}: ${data.message.text.replace(/[*`#]/g, '')}`);
            }
          } else if (event === 'state') {
            become({ state: data.state, agent: data.name, overdue: !!data.overdue });
            if (!/waiting|human/.test(stands.state)) return;
          } else if (event === 'error') throw data;
        }
      } catch (problem) {
        if ([403, 404].includes(problem.status)) return;
      }
      await new Promise((done) => setTimeout(done, 2000 + Math.random() * 1000));
    }
  } finally {
    following = false;
  }
};

// Offers a person after the bot has failed twice.
const offer = () => {
  if (stands.state !== 'bot' || log.querySelector('.offer')) return;
  const card = el('div', { className: 'calm offer' }, el('p', {}, t.offer), actions(pushable(t.human, () => card.remove() || askPerson())));
  say(card);
  announce(t.offer);
};

// How the conversation stands, read before its turns, so that following after it leaves nothing out.
const standing = async () => {
  const now = await (await authorised(ofConversation(''))).json();
  lastEvent = now.last_event_id;
  return now;
};
