// Addresses that get no answers: blocked by hand, or by themselves for asking too much.
import { call, get } from './api.js';
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { when } from './format.js';
import { paged, table } from './lists.js';
import { badge, deed, empty, say, section } from './parts.js';

const PATH = '/api/limits/blocks';

export const blocks = {
  title: 'Blocked addresses',
  needs: 'rule',
  show: ({ main, signal }) => {
    const lift = (block) => async () => {
      await call('DELETE', PATH, { query: { network: block.network } });
      say(`${block.network} may ask again.`);
      await list.reload();
    };
    const draw = (items) =>
      table(
        'Blocked addresses',
        [
          ['Network', (block) => el('code', { dir: 'ltr' }, block.network)],
          ['By', (block) => [badge(block.source), block.actor && el('p', { class: 'hint', dir: 'ltr' }, block.actor)]],
          ['Why', (block) => el('span', { dir: 'auto' }, block.reason || 'too many requests')],
          ['Until', (block) => (block.expires_at ? when(block.expires_at) : 'for good')],
          ['Actions', (block) => deed('Lift', lift(block), { label: `Lift the block of ${block.network}` })],
        ],
        items,
      );
    const list = paged({ load: () => get(PATH, {}, signal), draw, none: empty('No address is blocked.') });
    put(
      main,
      list.node,
      section(
        'Block a network',
        form({
          label: 'Block a network',
          submit: 'Block it',
          danger: true,
          fields: [
            field({
              name: 'network',
              label: 'Address or network',
              required: true,
              dir: 'ltr',
              maxlength: 60,
              hint: '203.0.113.7, or 2001:db8::/32. Not your own: this page would be closed to you as well.',
            }),
            field({ name: 'reason', label: 'Why', required: true, maxlength: 500 }),
            field({ name: 'hours', label: 'Hours', type: 'number', min: 1, hint: 'Left empty, until it is lifted.' }),
          ],
          act: async ({ network, reason, hours }, node) => {
            await call('POST', PATH, {
              body: { network, reason, ...(hours && { expires_at: new Date(Date.now() + hours * 3_600_000).toISOString() }) },
            });
            node.reset();
            say('Blocked.');
            await list.reload();
          },
        }),
      ),
    );
  },
};
