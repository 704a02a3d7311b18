// A question as the chat looks for it: the passages, with the scores that decide.
import { el, out, put } from './dom.js';
import { field } from './form.js';
import { filters } from './lists.js';
import { badge, empty, facts } from './parts.js';
import { read, to } from './session.js';

const MODES = [
  ['hybrid', 'hybrid, as answers are made'],
  ['vector', 'by meaning alone'],
  ['lexical', 'by words alone'],
];
const score = (value) => (value === null || value === undefined ? '–' : value.toFixed(3));

const passage = (found) =>
  el(
    'li',
    { class: 'card' },
    el('h2', { dir: 'auto' }, el('a', { href: to(`/pages/${found.page_id}`) }, found.title || found.url)),
    el(
      'p',
      { class: 'row' },
      badge(found.kind),
      out(found.url),
      found.heading_path && el('span', { class: 'mute', dir: 'auto' }, found.heading_path),
    ),
    el('p', { dir: 'auto', class: 'text' }, found.text),
    facts(
      ['Score', score(found.score)],
      ['Meaning (cosine)', score(found.cosine)],
      ['Words (BM25)', score(found.lexical)],
      ['Words of the question', score(found.coverage)],
    ),
  );

export const search = {
  title: 'Search',
  tenant: true,
  show: async ({ main, query, go, signal }) => {
    const fields = [
      field({ name: 'q', label: 'Question or words', value: query.q, maxlength: 2000 }),
      field({ name: 'mode', label: 'How', type: 'select', value: query.mode, options: MODES }),
    ];
    const found = el('div', { role: 'status' });
    put(main, el('p', { class: 'lead' }, 'What the chat would see, with the scores that decide.'), filters(go, '/search', fields, 'Search'), found);
    if (!query.q) return;
    const { items, mode } = await read('/api/search', { q: query.q, mode: query.mode, limit: 20 }, signal);
    put(
      found,
      items.length
        ? [el('p', { class: 'hint' }, `${items.length} passages, ${mode}`), el('ol', { class: 'plainlist' }, items.map(passage))]
        : empty('No passage is about that.'),
    );
  },
};
