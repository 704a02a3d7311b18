// What visitors ask and the site does not answer.
import { el, out, put } from './dom.js';
import { field } from './form.js';
import { ago, number, plural } from './format.js';
import { filters, paged } from './lists.js';
import { badge, deed, empty, say } from './parts.js';
import { may, own, read, to } from './session.js';

const STATES = [
  ['open', 'open'],
  ['resolved', 'resolved'],
  ['ignored', 'set aside'],
  ['', 'all'],
];

const trend = ({ last_7_days: now, previous_7_days: before }) => `${number(now)} in the last 7 days, ${number(before)} in those before`;

const card = (gap) => {
  const node = el('li', { class: 'card' });
  const become = (state, told) => async () => {
    const changed = await own('PATCH', `/api/gaps/${gap.id}`, { body: { state } });
    say(told);
    node.replaceWith(card(changed));
  };
  return put(
    node,
    el('h2', { dir: 'auto' }, gap.question),
    el(
      'p',
      { class: 'row' },
      badge(gap.state),
      el('strong', {}, `asked ${plural(gap.count, 'time')}`),
      el('span', { class: 'mute' }, trend(gap)),
      el('span', { class: 'mute' }, 'last ', ago(gap.last_seen)),
    ),
    gap.resolved_by && el('p', {}, 'Answered now by ', out(gap.resolved_by.url, gap.resolved_by.title)),
    gap.examples.length > 0 &&
      el(
        'details',
        {},
        el('summary', {}, 'Other ways to ask it'),
        el(
          'ul',
          {},
          gap.examples.map((text) => el('li', { dir: 'auto' }, text)),
        ),
      ),
    gap.nearest.length > 0 &&
      el(
        'details',
        {},
        el('summary', {}, 'The nearest pages'),
        el(
          'ul',
          {},
          gap.nearest.map((page) => el('li', {}, el('a', { href: to(`/pages/${page.page_id}`), dir: 'auto' }, page.title || page.url))),
        ),
      ),
    el(
      'div',
      { class: 'row' },
      el('a', { href: to('/search', { q: gap.question }) }, 'What the search finds'),
      may('work') && el('a', { href: to('/golden', { question: gap.question }) }, 'Make it a golden question'),
      may('work') &&
        (gap.state === 'ignored'
          ? deed('Take it back', become('open', 'It is open again.'))
          : gap.state === 'open' && deed('Set aside', become('ignored', 'Set aside.'))),
    ),
  );
};

export const gaps = {
  title: 'Gaps',
  tenant: true,
  show: ({ main, query, go, signal }) => {
    const state = query.state ?? 'open';
    const draw = (items) => {
      const node = el('ul', { class: 'plainlist' }, items.map(card));
      return { node, add: (more) => node.append(...more.map(card)) };
    };
    const list = paged({
      load: (cursor) => read('/api/gaps', { state: state === 'all' ? '' : state, limit: 25, cursor }, signal),
      draw,
      none: empty(
        state === 'open' ? 'No question is open. What is refused or gets a thumb down stands here after ten minutes at most.' : 'There is none.',
      ),
    });
    const options = STATES.map(([key, text]) => [key || 'all', text]);
    put(
      main,
      el(
        'p',
        { class: 'lead' },
        'Questions that were refused, or whose answer got a thumb down; those asked most often first. Write a page that answers one, and the next crawl resolves it.',
      ),
      filters(go, '/gaps', [field({ name: 'state', label: 'State', type: 'select', value: state, options })], 'Which gaps'),
      list.node,
    );
  },
};
