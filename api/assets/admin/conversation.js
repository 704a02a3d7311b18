// One conversation, live: its turns, who has the word, and a person's replies.
import { call } from './api.js';
import { el, out, put } from './dom.js';
import { field, form } from './form.js';
import { when, words } from './format.js';
import { badge, complain, confirmed, deed, facts, say, section } from './parts.js';
import { word } from './conversations.js';
import { may, own, read, session, to } from './session.js';
import { follow } from './stream.js';

const ROLES = { visitor: 'Visitor', user: 'Visitor', assistant: 'Assistant', bot: 'Assistant', human: 'Person' };

const turn = (message) =>
  el(
    'li',
    { class: `turn ${message.role}`, 'data-id': message.id },
    el(
      'p',
      { class: 'meta' },
      el('strong', { dir: 'auto' }, message.name ?? ROLES[message.role] ?? message.role),
      when(message.created_at),
      message.refused && badge('refused', 'warn'),
      message.feedback && badge(`thumb ${message.feedback}`, message.feedback === 'up' ? 'good' : 'bad'),
      (message.notes ?? []).map((note) => badge(note)),
    ),
    el('p', { class: 'text', dir: 'auto' }, message.text),
    message.feedback_reason && el('p', { class: 'hint', dir: 'auto' }, `The visitor says: ${message.feedback_reason}`),
    Array.isArray(message.sources) &&
      message.sources.length > 0 &&
      el(
        'ol',
        {},
        message.sources.map((source) => el('li', { value: String(source.n) }, out(source.url, source.title || source.url))),
      ),
  );

// All turns, oldest first; the API gives the newest first.
const turnsOf = async (path, signal) => {
  const all = [];
  for (let cursor; cursor !== null;) {
    const { items, next_cursor: next } = await read(`${path}/messages`, { limit: 100, cursor }, signal);
    all.push(...items);
    cursor = next ?? null;
  }
  return all.reverse();
};

// Whose conversation it is. Only the list says it, so one that is long past tells less.
const whose = async (id, signal) => {
  const { items } = await read('/api/conversations', { limit: 100 }, signal).catch(() => ({ items: [] }));
  const row = items.find((one) => one.id === id);
  return facts(
    ['Conversation', el('code', { dir: 'ltr' }, id)],
    row?.email && ['E-mail', row.email],
    row?.locale && ['Language', row.locale],
    row && ['Session', el('code', { dir: 'ltr' }, row.session_id)],
    row && may('decide') && ['Privacy', el('a', { href: to('/privacy', { session_id: row.session_id }) }, 'copy or erase')],
  );
};

export const conversation = {
  title: 'Conversation',
  tenant: true,
  show: async ({ main, id, signal }) => {
    const path = `/api/conversations/${id}`;
    let standing = await read(path, {}, signal);
    const log = el('ol', { class: 'turns', 'aria-label': 'Turns' });
    const desk = el('div');
    const said = el('p', { class: 'sr', role: 'status' });
    const known = new Set();
    const add = (message) => {
      if (known.has(message.id)) return false;
      known.add(message.id);
      log.append(turn(message));
      return true;
    };
    const become = (now) => {
      standing = { ...standing, ...now };
      draw();
    };
    // Where another person has the word, taking it is asked for.
    const insisting = async (act) => {
      try {
        return await act(false);
      } catch (problem) {
        if (problem.code !== 'conversation_taken') throw problem;
        if (!(await confirmed('Take it from somebody else?', problem.message, 'Take it over'))) return null;
        return act(true);
      }
    };
    const take = async () => {
      const now = await insisting((force) => own('POST', `${path}/take`, { body: { name: session.user.name, take_over: force } }));
      if (now) become(now);
    };
    const end = (verb, told) => async () => {
      become(await own('POST', `${path}/${verb}`));
      say(told);
    };
    const draw = () => {
      const { state, agent } = standing;
      put(
        desk,
        el(
          'p',
          { class: 'row' },
          word(standing),
          agent && el('span', { dir: 'auto' }, `${agent} has the word`),
          el('a', { href: to('/conversations') }, 'All conversations'),
        ),
        may('work') &&
          el(
            'div',
            { class: 'row' },
            agent !== session.user.name && state !== 'closed' && deed('Take it', take, { kind: 'first' }),
            (state === 'human' || state === 'waiting') && deed('Give it back to the assistant', end('release', 'The assistant answers again.')),
            state !== 'closed' && deed('Close', end('close', 'Closed. The visitor’s next message opens it again.')),
          ),
      );
    };
    const reply = () => {
      const text = field({
        name: 'text',
        label: 'Reply',
        type: 'textarea',
        required: true,
        maxlength: 8000,
        rows: 4,
        hint: 'The visitor reads it at once, with your name. Control and Enter send.',
      });
      let key = crypto.randomUUID();
      const node = form({
        label: 'Reply',
        fields: [text],
        submit: 'Send',
        act: async (values) => {
          // The same key until it has arrived: a reply that is sent twice is written once.
          const sent = await insisting((force) =>
            call('POST', `${path}/messages`, {
              query: { customer_id: session.customer.id },
              headers: { 'idempotency-key': force ? `${key}-over` : key },
              body: { text: values.text, name: session.user.name, take_over: force },
            }),
          );
          if (!sent) return;
          key = crypto.randomUUID();
          text.input.value = '';
          add(sent);
          text.input.focus();
        },
      });
      text.input.addEventListener('keydown', (event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) node.requestSubmit();
      });
      return section('Answer as a person', node);
    };
    (await turnsOf(path, signal)).forEach(add);
    draw();
    put(main, said, desk, section('Turns', log), may('work') && reply(), section('Visitor', await whose(id, signal)));
    follow(`${path}/events`, {
      signal,
      last: standing.last_event_id,
      heard: (event, data) => {
        if (event === 'message' && add({ created_at: data.at, ...data.message }))
          said.textContent = `${ROLES[data.message.role] ?? ''}: ${data.message.text}`;
        if (event === 'state') {
          become({ state: data.state, agent: data.name, overdue: !!data.overdue });
          said.textContent = `Now ${words(data.state)}`;
        }
        return false;
      },
    }).catch(complain);
  },
};
