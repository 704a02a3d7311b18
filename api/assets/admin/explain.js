// What a crawl decided about each URL: counted by rule, and listed by filters that stand in the address.
import { query as queried } from './api.js';
import { el, out, put } from './dom.js';
import { field } from './form.js';
import { bytes, duration, number, words } from './format.js';
import { filters, paged, table } from './lists.js';
import { badge, deed, empty, section, shown } from './parts.js';
import { read, session, to } from './session.js';

const DECISIONS = ['new', 'changed', 'same_hash', 'not_modified', 'redirected', 'blocked', 'skipped', 'failed', 'gone', 'duplicate'];

const counted = (summary, here) =>
  table(
    'Decisions, counted',
    [
      ['Decision', ({ decision, rule }) => el('a', { href: to(here, { decision, reason: rule }) }, words(decision), rule && `: ${rule}`)],
      ['URLs', ({ urls }) => number(urls)],
    ],
    summary.decisions,
  );

const spread = (values) => (values ? `half within ${duration(values.p50)}, 99 of 100 within ${duration(values.p99)}` : '–');

// What became of the sitemaps and feeds, which no decision tells.
const maps = (told) => {
  const parts = [
    `Sitemaps and feeds: ${number(told.read)} read with ${number(told.entries)} URLs`,
    told.entries_elsewhere > 0 && `${number(told.entries_elsewhere)} of them on other hosts`,
    told.failed > 0 && `${number(told.failed)} failed`,
    told.elsewhere > 0 && `${number(told.elsewhere)} on other hosts, not read`,
    told.truncated && 'too many: the rest was left out',
  ];
  const unread = told.unread.map(({ url, why }) => el('li', {}, out(url), `: ${why}`));
  return [el('p', { class: 'hint' }, `${parts.filter(Boolean).join('; ')}.`), unread.length ? el('ul', { class: 'hint' }, unread) : null];
};

const picture = (path, url) =>
  deed(
    'Picture',
    () => {
      const told = el('p', { role: 'status' }, 'Loading …');
      const image = el('img', {
        alt: `The page ${url} as the browser showed it`,
        src: `${path}/urls/screenshot${queried({ customer_id: session.customer.id, url })}`,
        load: () => told.remove(),
        error: () => image.remove() ?? put(told, 'There is no picture of it.'),
      });
      shown('As the browser showed it', told, image);
    },
    { label: `Picture of ${url}` },
  );

const rows = (path) => (items) =>
  table(
    'URLs',
    [
      ['URL', (row) => [out(row.url), row.found_from && el('p', { class: 'hint' }, 'found on ', out(row.found_from))]],
      ['Decision', (row) => [badge(row.decision), row.reason && el('p', { class: 'hint', dir: 'auto' }, row.reason)]],
      [
        'Fetch',
        (row) => [
          row.status && `${row.status}, `,
          duration(row.ms),
          row.wait_ms > 0 && ` after ${duration(row.wait_ms)}`,
          row.bytes > 0 && `, ${bytes(row.bytes)}`,
          el('p', { class: 'hint' }, `${words(row.via)}, depth ${row.depth}`),
        ],
      ],
      [
        'Page',
        (row) => [
          row.page_id && el('a', { href: to(`/pages/${row.page_id}`) }, `${number(row.chunks ?? 0)} chunks`),
          row.decision === 'failed' && picture(path, row.url),
        ],
      ],
    ],
    items,
  );

// Draws both into `into`; `here` is the view's path.
export const explain = ({ into, path, query, go, signal, here }) => {
  const filtered = { decision: query.decision, q: query.q, reason: query.reason, min_ms: query.min_ms };
  const fields = [
    field({
      name: 'decision',
      label: 'Decision',
      type: 'select',
      value: query.decision,
      options: [['', 'all'], ...DECISIONS.map((key) => [key, words(key)])],
    }),
    field({ name: 'q', label: 'Part of the URL', value: query.q, dir: 'ltr' }),
    field({ name: 'reason', label: 'Rule begins with', value: query.reason }),
    field({ name: 'min_ms', label: 'Milliseconds or more', type: 'number', min: 0, value: query.min_ms }),
  ];
  const summed = el('div');
  const sum = async () => {
    const summary = await read(`${path}/urls/summary`, {}, signal);
    put(
      summed,
      summary.decisions.length
        ? [
            counted(summary, here).node,
            el(
              'p',
              { class: 'hint' },
              `Fetches: ${spread(summary.fetch_ms)}. Waits for the host’s turn: ${spread(summary.wait_ms)}. ${bytes(summary.bytes)} in all.`,
            ),
            summary.sitemaps && maps(summary.sitemaps),
          ]
        : null,
    );
  };
  const list = paged({
    load: (cursor) => read(`${path}/urls`, { ...filtered, limit: 50, cursor }, signal),
    draw: rows(path),
    none: empty('No URL is like that, or none was decided about yet.'),
  });
  const reload = () => Promise.all([sum().catch(() => {}), list.reload()]);
  sum().catch(() => {});
  put(into, section('Why', summed, filters(go, here, fields, 'Which URLs'), list.node));
  return { reload };
};
