// Conversations, those that wait for a person first.
import { el, put } from './dom.js';
import { field } from './form.js';
import { ago, number, shortened } from './format.js';
import { filters, paged, table } from './lists.js';
import { badge, empty, section } from './parts.js';
import { read, to } from './session.js';
import { repeat } from './stream.js';

const STATES = [
  ['', 'all'],
  ['waiting', 'waiting'],
  ['human', 'with a person'],
  ['bot', 'with the assistant'],
  ['closed', 'closed'],
];
const RATED = [
  ['', 'all'],
  ['down', 'thumb down'],
  ['up', 'thumb up'],
];
const LOOK = 10;

// Who has the word.
export const word = ({ state, overdue }) =>
  badge(
    overdue ? 'overdue' : state === 'bot' ? 'assistant' : state === 'human' ? 'with a person' : state,
    overdue || state === 'waiting' ? 'warn' : '',
  );

const thumbs = ({ up, down }) => [up > 0 && `${number(up)} up`, down > 0 && `${number(down)} down`].filter(Boolean).join(', ') || '–';

const draw = (items) =>
  table(
    'Conversations',
    [
      [
        'Last turn',
        (row) => [
          el('a', { href: to(`/conversations/${row.id}`), dir: 'auto' }, shortened(row.last_message?.text ?? '', 160) || 'No turn yet'),
          el('p', { class: 'hint' }, row.last_message && `by the ${row.last_message.role === 'human' ? 'person' : row.last_message.role}`),
        ],
      ],
      [
        'State',
        (row) => [
          word(row),
          row.waiting_since && el('p', { class: 'hint' }, 'asked ', ago(row.waiting_since)),
          row.agent && el('p', { class: 'hint', dir: 'auto' }, row.agent),
        ],
      ],
      ['Turns', (row) => [number(row.messages), row.refused > 0 && el('p', { class: 'hint' }, `${number(row.refused)} refused`)]],
      ['Feedback', (row) => thumbs(row.feedback)],
      ['When', (row) => ago(row.updated_at)],
    ],
    items,
  );

export const conversations = {
  title: 'Conversations',
  tenant: true,
  show: ({ main, query, go, signal }) => {
    const filtered = { q: query.q, state: query.state, feedback: query.feedback };
    const load = (more) => (cursor) => read('/api/conversations', { ...filtered, ...more, limit: 25, cursor }, signal);
    const list = paged({
      load: load(),
      draw,
      none: empty(
        Object.values(filtered).some(Boolean)
          ? 'No conversation is like that.'
          : 'Nobody has asked anything yet. Put the widget on the site, or try it on the demo page.',
        el('a', { href: '/demo' }, 'Demo'),
      ),
    });
    const waiting =
      !Object.values(filtered).some(Boolean) && paged({ load: load({ state: 'waiting' }), draw, none: el('p', { class: 'mute' }, 'Nobody waits.') });
    const fields = [
      field({ name: 'state', label: 'State', type: 'select', value: query.state, options: STATES }),
      field({ name: 'feedback', label: 'Feedback', type: 'select', value: query.feedback, options: RATED }),
      field({ name: 'q', label: 'Words', value: query.q }),
    ];
    put(
      main,
      filters(go, '/conversations', fields, 'Which conversations'),
      waiting ? [section('Waiting for a person', waiting.node), section('All', list.node)] : list.node,
    );
    repeat(LOOK, signal, async () => {
      await (waiting || list).refresh();
    });
  },
};
