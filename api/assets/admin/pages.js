// The pages that answers are made from.
import { el, put } from './dom.js';
import { field } from './form.js';
import { ago } from './format.js';
import { filters, paged, table } from './lists.js';
import { badge, empty } from './parts.js';
import { read, to } from './session.js';

// What a page is to the index.
export const standing = (page) => {
  if (page.tombstoned_at) return badge(`out: ${page.tombstone ?? 'removed'}`, 'bad');
  if (page.duplicate_of) return badge('duplicate');
  if (page.navigational) return badge('navigation');
  return page.indexed_version === page.version ? badge('answers', 'good') : badge('waits for indexing', 'warn');
};

export const pages = {
  title: 'Pages',
  tenant: true,
  show: ({ main, query, go, signal }) => {
    const draw = (items) =>
      table(
        'Pages',
        [
          [
            'Title',
            (page) => [
              el('a', { href: to(`/pages/${page.id}`), dir: 'auto' }, page.title || page.url),
              el('p', { class: 'hint', dir: 'ltr' }, page.url),
            ],
          ],
          ['State', standing],
          ['Language', (page) => page.language ?? '–'],
          ['Read', (page) => ago(page.fetched_at)],
        ],
        items,
      );
    const list = paged({
      load: (cursor) => read('/api/pages', { q: query.q, limit: 50, cursor }, signal),
      draw,
      none: empty(
        query.q ? `No page has “${query.q}” in its address or title.` : 'There are no pages yet.',
        el('a', { href: to('/scraping') }, 'Start a crawl'),
      ),
    });
    put(main, filters(go, '/pages', [field({ name: 'q', label: 'Part of the address or title', value: query.q })], 'Which pages'), list.node);
  },
};
