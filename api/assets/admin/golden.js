// Golden questions, which must work, and what became of them.
import { el, out, put } from './dom.js';
import { field, form } from './form.js';
import { number, percent, when } from './format.js';
import { paged, table } from './lists.js';
import { badge, deed, empty, facts, say, section } from './parts.js';
import { may, own, read, to } from './session.js';
import { follow } from './stream.js';

const ENDED = new Set(['done', 'failed', 'dead', 'cancelled']);

const fields = (value = {}) => [
  field({ name: 'question', label: 'Question', required: true, maxlength: 2000, value: value.question }),
  field({
    name: 'urls',
    label: 'Pages of which one should answer it',
    type: 'lines',
    required: true,
    dir: 'ltr',
    value: value.urls,
    hint: 'One address a line.',
  }),
  field({ name: 'phrases', label: 'Phrases that must stand in what is found', type: 'lines', value: value.phrases, hint: 'One a line.' }),
];

const questions = (signal) =>
  paged({
    load: (cursor) => read('/api/golden', { limit: 100, cursor }, signal),
    draw: (items) => {
      const row = (item) => {
        const node = el('li', { class: 'card' });
        const remove = async () => {
          await own('DELETE', `/api/golden/${item.id}`);
          node.remove();
          say('The question is removed.');
        };
        const change = form({
          label: `Change: ${item.question}`,
          fields: fields(item),
          submit: 'Save',
          act: async (body) => {
            node.replaceWith(row(await own('PATCH', `/api/golden/${item.id}`, { body })));
            say('Saved.');
          },
        });
        return put(
          node,
          el('h3', { dir: 'auto' }, item.question),
          el(
            'ul',
            {},
            item.urls.map((url) => el('li', {}, out(url))),
          ),
          item.phrases.length > 0 &&
            el(
              'p',
              { dir: 'auto' },
              'With: ',
              item.phrases.map((text, i) => [i > 0 && ', ', `“${text}”`]),
            ),
          may('work') && [
            el('details', {}, el('summary', {}, 'Change'), change),
            deed('Remove', remove, { kind: 'danger', label: `Remove: ${item.question}`, ask: ['Remove this question?', item.question, 'Remove'] }),
          ],
        );
      };
      const node = el('ul', { class: 'plainlist' }, items.map(row));
      return { node, add: (more) => node.append(...more.map(row)) };
    },
    none: empty('There is none yet. With one, a crawl that would lose its answer waits for your word instead of being shown.'),
  });

const runs = (signal) =>
  paged({
    load: (cursor) => read('/api/golden/runs', { limit: 25, cursor }, signal),
    draw: (items) =>
      table(
        'Runs',
        [
          ['Run', (item) => el('a', { href: to(`/golden/runs/${item.id}`) }, when(item.created_at))],
          ['Why', (item) => item.cause],
          ['Passed', (item) => badge(`${number(item.passed)} of ${number(item.questions)}`, item.passed === item.questions ? 'good' : 'warn')],
          ['Right page first', (item) => percent(item.recall_1)],
          ['Among five', (item) => percent(item.recall_5)],
        ],
        items,
      ),
    none: empty('They have not been asked yet.'),
  });

export const golden = {
  title: 'Golden questions',
  tenant: true,
  show: ({ main, query, signal }) => {
    const list = questions(signal);
    const asked = runs(signal);
    const start = async () => {
      const { job_id: job } = await own('POST', '/api/golden/run');
      say('They are being asked; the run appears below.');
      await follow(`/api/jobs/${job}/events`, { signal, heard: (event) => ENDED.has(event) });
      await asked.reload();
    };
    const add = form({
      label: 'New golden question',
      fields: fields({ question: query.question }),
      submit: 'Add',
      act: async (body, node) => {
        await own('POST', '/api/golden', { body });
        node.reset();
        await list.reload();
        say('Added.');
      },
    });
    put(
      main,
      el('p', { class: 'lead' }, 'Questions that must work. Nothing that a crawl brings is shown when it would lose one, until a person says so.'),
      section('Questions', list.node),
      may('work') && section('Another question', add),
      section('Runs', may('work') && el('p', {}, deed('Ask all of them now', start)), asked.node),
    );
  },
};

export const run = {
  title: 'Run of the golden questions',
  tenant: true,
  show: async ({ main, id, signal }) => {
    const { run: found, results } = await read(`/api/golden/runs/${id}`, {}, signal);
    put(
      main,
      el('p', {}, el('a', { href: to('/golden') }, 'All questions and runs')),
      facts(
        ['When', when(found.created_at)],
        ['Why', found.cause],
        ['Passed', `${number(found.passed)} of ${number(found.questions)}`],
        ['Right page first', percent(found.recall_1)],
        ['Among five', percent(found.recall_5)],
        ['Shown', found.published ? 'yes' : 'no'],
      ),
      table(
        'Results',
        [
          ['Question', (row) => el('span', { dir: 'auto' }, row.question)],
          ['Result', (row) => badge(row.passed ? 'passed' : 'failed')],
          ['Place', (row) => number(row.rank)],
          [
            'What is wrong',
            (row) => [
              row.refused && `refused: ${row.refused}. `,
              row.missing.length > 0 && `missing: ${row.missing.join(', ')}. `,
              !row.passed && row.first && ['first: ', out(row.first)],
            ],
          ],
        ],
        results,
      ).node,
    );
  },
};
