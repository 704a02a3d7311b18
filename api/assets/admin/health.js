// How the installation's parts stand.
import { get } from './api.js';
import { el, put } from './dom.js';
import { duration, when, words } from './format.js';
import { table } from './lists.js';
import { badge, deed, facts } from './parts.js';

export const health = {
  title: 'Health',
  needs: 'rule',
  show: async ({ main, signal }) => {
    const drawn = el('div');
    const again = async () => {
      const found = await get('/api/health/comprehensive', { verbose: true }, signal);
      put(
        drawn,
        facts(['State', badge(found.status)], ['Version', found.version], ['As of', when(found.timestamp)]),
        table(
          'Parts',
          [
            ['Part', (part) => words(part.name)],
            ['State', (part) => badge(part.state)],
            ['Took', (part) => duration(part.ms)],
            ['More', (part) => el('span', { dir: 'auto' }, part.detail ?? '')],
          ],
          found.parts,
        ).node,
      );
    };
    await again();
    put(main, drawn, deed('Look again', again));
  },
};
