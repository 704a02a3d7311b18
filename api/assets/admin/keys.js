// API keys of the customer: made and shown once, replaced with an overlap, revoked.
import { call, get } from './api.js';
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { ago, when } from './format.js';
import { paged, table } from './lists.js';
import { badge, deed, empty, once, say, section } from './parts.js';
import { session } from './session.js';

const SCOPES = [
  ['*', 'everything'],
  ['chat', 'ask, and read conversations'],
  ['search', 'search, and read pages'],
  ['jobs', 'crawl and index'],
  ['domains', 'change domains'],
  ['conversations', 'answer as a person'],
  ['webhooks', 'say where to be told'],
  ['settings', 'change the assistant'],
  ['privacy', 'hand out and erase what is held about people'],
  ['shops', 'connect shops'],
];

const standing = (key) => {
  if (key.revoked_at) return [badge('revoked'), ' ', ago(key.revoked_at)];
  if (!key.expires_at) return badge('active');
  return new Date(key.expires_at) < new Date() ? badge('ended') : [badge('active'), ' until ', when(key.expires_at)];
};
const works = (key) => !key.revoked_at && !(key.expires_at && new Date(key.expires_at) < new Date());

export const keys = {
  title: 'Keys',
  tenant: true,
  needs: 'decide',
  show: ({ main, signal }) => {
    const fresh = el('div');
    const reveal = async (key, told) => {
      put(fresh, el('div', { class: 'box note' }, el('h2', { tabindex: '-1' }, `The key “${key.name}”`), el('p', {}, told), once('key', key.key)));
      fresh.querySelector('h2').focus();
      await list.reload();
    };
    const rotate = (key) => async () => {
      const made = await call('POST', `/api/keys/${key.id}/rotate`, { query: { overlap_hours: 24 } });
      await reveal(made, 'It is shown this once. The old one works on for a day.');
    };
    const revoke = (key) => async () => {
      await call('DELETE', `/api/keys/${key.id}`);
      say(`“${key.name}” opens nothing any more.`);
      await list.reload();
    };
    const draw = (items) =>
      table(
        'Keys',
        [
          ['Name', (key) => [el('span', { dir: 'auto' }, key.name), el('p', { class: 'hint' }, el('code', { dir: 'ltr' }, `${key.prefix}…`))]],
          ['May', (key) => key.scopes.map((scope) => (scope === '*' ? 'everything' : scope)).join(', ')],
          ['State', standing],
          ['Last used', (key) => ago(key.last_used_at)],
          [
            'Actions',
            (key) =>
              works(key) &&
              el(
                'div',
                { class: 'row' },
                deed('Replace', rotate(key), {
                  label: `Replace ${key.name}`,
                  ask: ['Replace this key?', `“${key.name}” gets a successor; the old key works for another day.`, 'Replace'],
                }),
                deed('Revoke', revoke(key), {
                  kind: 'danger',
                  label: `Revoke ${key.name}`,
                  ask: ['Revoke this key?', `What uses “${key.name}” stops working at once.`, 'Revoke'],
                }),
              ),
          ],
        ],
        items,
      );
    const list = paged({
      load: (cursor) => get('/api/keys', { customer_id: session.customer.id, limit: 50, cursor }, signal),
      draw,
      none: empty('There is no key yet. Programs that call the API need one; the widget does not.'),
    });
    put(
      main,
      fresh,
      list.node,
      section(
        'Another key',
        form({
          label: 'New key',
          submit: 'Make it',
          fields: [
            field({ name: 'name', label: 'Name', required: true, maxlength: 100, hint: 'What uses it.' }),
            ...SCOPES.map(([scope, text]) => field({ name: scope, label: scope === '*' ? 'Everything' : `${scope}: ${text}`, type: 'checkbox' })),
            field({ name: 'ends', label: 'Last day', type: 'date', hint: 'Without one it lives until it is revoked.' }),
          ],
          act: async ({ name, ends, ...chosen }, node) => {
            const scopes = SCOPES.map(([scope]) => scope).filter((scope) => chosen[scope]);
            const body = { customer_id: session.customer.id, name, scopes, ...(ends && { expires_at: new Date(`${ends}T23:59:59`).toISOString() }) };
            const made = await call('POST', '/api/keys', { body });
            node.reset();
            await reveal(made, 'It is shown this once.');
          },
        }),
      ),
    );
  },
};
