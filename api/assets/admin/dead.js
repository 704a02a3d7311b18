// Dead letters: jobs whose tries are used up.
import { call, get } from './api.js';
import { el, put } from './dom.js';
import { field } from './form.js';
import { ago, number, plural, words } from './format.js';
import { filters, paged, table } from './lists.js';
import { confirmed, deed, empty, say } from './parts.js';
import { KINDS } from './scraping.js';

export const dead = {
  title: 'Dead letters',
  needs: 'rule',
  show: ({ main, query, go, signal }) => {
    const wanted = { kind: query.kind };
    const replay = (letter) => async () => {
      await call('POST', `/api/queue/dead/${letter.id}/replay`);
      say('It is queued again.');
      await list.reload();
    };
    const all = async () => {
      const body = query.kind ? { kind: query.kind } : {};
      if (
        !(await confirmed(
          'Run all of them again?',
          query.kind ? `All of the kind ${words(query.kind)}, up to a thousand.` : 'Up to a thousand, the oldest first.',
          'Run them',
        ))
      )
        return;
      const { replayed, skipped, remaining } = await call('POST', '/api/queue/dead/replay', { body });
      say(`${plural(replayed, 'job')} queued again, ${number(skipped)} left since another does the same, ${number(remaining)} remain.`);
      await list.reload();
    };
    const draw = (items) =>
      table(
        'Dead letters',
        [
          ['Job', (letter) => [words(letter.kind), el('p', { class: 'hint', dir: 'ltr' }, letter.domain ?? 'the installation')]],
          ['Error', (letter) => [el('code', { dir: 'ltr' }, letter.error.code), el('p', { class: 'hint', dir: 'auto' }, letter.error.message)]],
          ['Tries', (letter) => `${number(letter.attempts)}, started ${number(letter.starts)}`],
          ['Made', (letter) => ago(letter.created_at)],
          [
            'Actions',
            (letter) => [
              deed('Run again', replay(letter), { label: `Run ${letter.kind} ${letter.id.slice(-6)} again` }),
              letter.customer_id && [' ', el('a', { href: `/admin/jobs/${letter.id}?customer_id=${letter.customer_id}` }, 'Look')],
            ],
          ],
        ],
        items,
      );
    const list = paged({
      load: (cursor) => get('/api/queue/dead', { ...wanted, limit: 50, cursor }, signal),
      draw: (items) => {
        const drawn = draw(items);
        return { node: el('div', {}, el('p', {}, deed('Run all again', all)), drawn.node), add: drawn.add };
      },
      none: empty('There is none: every job ended by itself.'),
    });
    put(
      main,
      filters(
        go,
        '/dead',
        [
          field({
            name: 'kind',
            label: 'Kind',
            type: 'select',
            value: query.kind,
            options: [['', 'all'], ...KINDS.map((kind) => [kind, words(kind)])],
          }),
        ],
        'Which letters',
      ),
      list.node,
    );
  },
};
