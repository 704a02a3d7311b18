// Crawls and other jobs of a customer: started, listed, and watched until they end.
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { ago, duration, number, words } from './format.js';
import { filters, paged, table } from './lists.js';
import { badge, empty, section } from './parts.js';
import { home, may, own, read, to } from './session.js';
import { repeat } from './stream.js';

const STATES = ['running', 'queued', 'scheduled', 'needs_confirmation', 'done', 'failed', 'dead', 'cancelled'];
const LIVE = new Set(['running', 'queued', 'scheduled', 'needs_confirmation']);
export const KINDS = ['scrape', 'embed', 'sync', 'maintenance'];
// Seconds between two looks at the list while something in it lives.
const LOOK = 5;

const choice = (name, label, values, value) =>
  field({ name, label, type: 'select', value, options: [['all', 'all'], ...values.map((key) => [key, words(key)])] });

const begin = (go) =>
  form({
    label: 'Start a crawl',
    submit: 'Start',
    fields: [
      field({
        name: 'url',
        label: 'Where to begin',
        required: true,
        type: 'url',
        dir: 'ltr',
        value: home(),
        hint: 'A page of one of the customer’s domains.',
      }),
    ],
    more: {
      label: 'How far, and how',
      fields: [
        field({
          name: 'mode',
          label: 'Mode',
          type: 'select',
          required: true,
          value: 'auto',
          options: [
            ['auto', 'auto: a browser where a page is empty without one'],
            ['static', 'static: never a browser'],
            ['browser', 'browser: for every page that has changed'],
          ],
        }),
        field({ name: 'max_pages', label: 'Pages at most', type: 'number', min: 1, max: 100_000 }),
        field({ name: 'max_depth', label: 'Links from the start at most', type: 'number', min: 0, max: 100 }),
        field({ name: 'max_minutes', label: 'Minutes at most', type: 'number', min: 1, max: 100_000 }),
        field({ name: 'include', label: 'Keep to paths', type: 'lines', dir: 'ltr', hint: 'One a line, with * for anything.' }),
        field({ name: 'exclude', label: 'Leave out paths', type: 'lines', dir: 'ltr', hint: 'One a line: /cart, *?sort=' }),
        field({
          name: 'off_peak',
          label: 'Hours in which the site may be crawled',
          dir: 'ltr',
          maxlength: 30,
          hint: '22:00-06:00, or 22:00-06:00 +02:00',
        }),
        field({ name: 'full', label: 'Fetch everything anew instead of asking what has changed', type: 'checkbox' }),
      ],
    },
    act: async (values) => {
      const given = Object.entries(values).filter(([, value]) => value !== null && value !== '' && value !== false && value.length !== 0);
      const { job_id: job } = await own('POST', '/api/scrape', { body: Object.fromEntries(given) });
      go(`/jobs/${job}`);
    },
  });

const progress = ({ state, progress: { done, total } }) => {
  if (!total) return '–';
  const figures = `${number(done ?? 0)} of ${number(total)}`;
  return state === 'running' ? [el('progress', { value: done ?? 0, max: total, 'aria-label': 'Progress' }), figures] : figures;
};

const took = (job) => (job.started_at && job.finished_at ? duration(new Date(job.finished_at) - new Date(job.started_at)) : '–');

const draw = (items) =>
  table(
    'Jobs',
    [
      ['Job', (job) => el('a', { href: to(`/jobs/${job.id}`) }, words(job.kind), ' ', el('span', { class: 'mute', dir: 'ltr' }, job.id.slice(-6)))],
      ['Site', (job) => (job.start_url ? el('span', { dir: 'ltr' }, new URL(job.start_url).host) : '–')],
      ['State', (job) => badge(job.state)],
      ['Done', progress],
      ['Began', (job) => ago(job.created_at)],
      ['Took', took],
    ],
    items,
  );

export const scraping = {
  title: 'Scraping',
  tenant: true,
  show: ({ main, query, go, signal }) => {
    const kind = query.kind ?? 'scrape';
    const state = query.state ?? 'all';
    const wanted = Object.fromEntries(Object.entries({ kind, state }).filter(([, value]) => value !== 'all'));
    let live = true;
    const list = paged({
      load: async (cursor) => {
        const loaded = await read('/api/jobs', { ...wanted, limit: 25, cursor }, signal);
        if (!cursor) live = loaded.items.some((job) => LIVE.has(job.state));
        return loaded;
      },
      draw,
      none: empty(
        query.kind || query.state
          ? 'No job is like that.'
          : 'Nothing has been read yet. Start with the home page: links and sitemaps lead to the rest.',
      ),
    });
    put(
      main,
      may('work') && section('Start a crawl', begin(go)),
      section(
        'Jobs',
        filters(go, '/scraping', [choice('kind', 'Kind', KINDS, kind), choice('state', 'State', STATES, state)], 'Which jobs'),
        list.node,
      ),
    );
    repeat(LOOK, signal, async () => {
      if (live) await list.refresh();
    });
  },
};
