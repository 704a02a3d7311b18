// The installation's queues and workers.
import { call, get } from './api.js';
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { ago, duration, number, words } from './format.js';
import { table } from './lists.js';
import { badge, deed, empty, facts, say, section } from './parts.js';
import { repeat } from './stream.js';
import { to } from './session.js';

const LOOK = 10;

const limits = (queue, again) =>
  form({
    label: `Limits of ${queue.kind}`,
    submit: 'Save',
    fields: [
      field({ name: 'max_running', label: 'At once', type: 'number', min: 1, value: queue.max_running }),
      field({ name: 'max_running_per_customer', label: 'At once for one customer', type: 'number', min: 1, value: queue.max_running_per_customer }),
    ],
    act: async (body) => {
      await call('PUT', `/api/queue/${encodeURIComponent(queue.kind)}/limits`, { body });
      say('The limits are changed.');
      await again();
    },
  });

const card = (queue, again) => {
  const set = (verb, told) => async () => {
    await call('POST', `/api/queue/${encodeURIComponent(queue.kind)}/${verb}`);
    say(told);
    await again();
  };
  return el(
    'li',
    { class: 'card' },
    el('div', { class: 'between' }, el('h2', {}, words(queue.kind)), queue.paused && badge('paused', 'warn')),
    facts(
      ['Waiting', number(queue.depth)],
      ['Running', number(queue.running)],
      ['Scheduled', number(queue.scheduled)],
      ['Held', number(queue.needs_confirmation)],
      ['Dead', queue.dead ? el('a', { href: to('/dead', { kind: queue.kind }) }, number(queue.dead)) : '0'],
      ['Oldest', duration(queue.oldest_seconds * 1000)],
    ),
    el('details', {}, el('summary', {}, 'Limits'), limits(queue, again)),
    queue.paused
      ? deed('Resume', set('resume', `${queue.kind} goes on.`), { kind: 'first', label: `Resume ${queue.kind}` })
      : deed('Pause', set('pause', `Nothing more of ${queue.kind} begins.`), {
          label: `Pause ${queue.kind}`,
          ask: ['Pause this queue?', `Nothing more of ${queue.kind} begins; what runs goes on.`, 'Pause'],
        }),
  );
};

const workers = (items) =>
  items.length
    ? table(
        'Workers',
        [
          ['Host', (worker) => `${worker.host} (${worker.pid})`],
          ['State', (worker) => badge(worker.state)],
          ['Seen', (worker) => `${duration(worker.heartbeat_age_seconds * 1000)} ago`],
          ['Runs', (worker) => worker.running.map((job) => words(job.kind)).join(', ') || 'nothing'],
          ['Since', (worker) => ago(worker.started_at)],
          ['Version', (worker) => worker.version],
        ],
        items,
      ).node
    : empty('No worker runs: nothing is crawled or indexed.');

export const queues = {
  title: 'Queues',
  needs: 'rule',
  show: async ({ main, signal }) => {
    const drawn = el('div');
    const again = async () => {
      const stats = await get('/api/queue/stats', {}, signal);
      put(
        drawn,
        stats.lag_missing && el('p', { class: 'box bad' }, `Redis can’t be asked: ${stats.lag_missing}`),
        el(
          'ul',
          { class: 'plainlist cards' },
          stats.queues.map((queue) => card(queue, again)),
        ),
        section('Workers', workers(stats.workers)),
        section(
          'Who waits most',
          stats.customers.length
            ? table(
                'Customers',
                [
                  ['Customer', (row) => el('span', { dir: 'auto' }, row.domain ?? 'the installation')],
                  ['Kind', (row) => words(row.kind)],
                  ['Waiting', (row) => number(row.depth)],
                  ['Running', (row) => number(row.running)],
                  ['Oldest', (row) => duration(row.oldest_seconds * 1000)],
                ],
                stats.customers,
              ).node
            : el('p', { class: 'mute' }, 'Nobody waits.'),
        ),
      );
    };
    await again();
    put(main, drawn);
    repeat(LOOK, signal, async () => {
      if (!drawn.contains(document.activeElement) && !drawn.querySelector('details[open]')) await again();
    });
  },
};
