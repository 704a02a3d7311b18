// The audit log: who did what, newest first.
import { get } from './api.js';
import { el, put } from './dom.js';
import { field } from './form.js';
import { when } from './format.js';
import { filters, paged, table } from './lists.js';
import { empty } from './parts.js';
import { may, session } from './session.js';

const moment = (day, end) => (day ? new Date(`${day}T${end ? '23:59:59.999' : '00:00:00'}`).toISOString() : '');
// People by their names, as far as the first hundred go; the rest by what the log says.
const names = async (signal) => {
  const { items } = await get('/api/users', { limit: 100 }, signal).catch(() => ({ items: [] }));
  return new Map(items.map((user) => [`user:${user.id}`, user.name]));
};

const filled = (value) => value && Object.keys(value).length > 0;

export const audit = {
  title: 'Audit log',
  needs: 'decide',
  show: async ({ main, query, go, signal }) => {
    const known = await names(signal);
    const wanted = {
      actor: query.actor,
      action: query.action,
      resource: query.resource,
      since: moment(query.since),
      until: moment(query.until, true),
      customer_id: query.all ? '' : session.customer?.id,
    };
    const fields = [
      field({ name: 'action', label: 'Action', dir: 'ltr', value: query.action, placeholder: 'key.*' }),
      field({ name: 'actor', label: 'Who', dir: 'ltr', value: query.actor }),
      field({ name: 'resource', label: 'On what', dir: 'ltr', value: query.resource }),
      field({ name: 'since', label: 'From', type: 'date', value: query.since }),
      field({ name: 'until', label: 'To', type: 'date', value: query.until }),
      session.customer &&
        field({
          name: 'all',
          label: may('rule') ? 'All customers, and the installation' : 'All of my customers',
          type: 'checkbox',
          value: query.all,
        }),
    ].filter(Boolean);
    const draw = (items) =>
      table(
        'Lines',
        [
          ['When', (line) => when(line.at)],
          ['Action', (line) => el('code', { dir: 'ltr' }, line.action)],
          [
            'Who',
            (line) => [
              el('span', { dir: 'auto', title: line.actor }, known.get(line.actor) ?? line.actor),
              line.ip && el('p', { class: 'hint', dir: 'ltr' }, line.ip),
            ],
          ],
          ['On what', (line) => el('span', { dir: 'auto' }, line.resource)],
          [
            'More',
            (line) =>
              (filled(line.changes) || filled(line.details)) &&
              el(
                'details',
                {},
                el('summary', {}, 'Details'),
                el(
                  'pre',
                  { dir: 'ltr' },
                  JSON.stringify({ changes: line.changes ?? undefined, details: line.details, request: line.request_id ?? undefined }, null, 2),
                ),
              ),
          ],
        ],
        items,
      );
    const list = paged({ load: (cursor) => get('/api/audit', { ...wanted, limit: 50, cursor }, signal), draw, none: empty('No line is like that.') });
    put(main, filters(go, '/audit', fields, 'Which lines'), list.node);
  },
};
