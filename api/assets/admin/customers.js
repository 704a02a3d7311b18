// The customers within reach: to choose one, and for owners of the installation to make one.
import { call, get } from './api.js';
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { ago } from './format.js';
import { paged, table } from './lists.js';
import { empty, say, section } from './parts.js';
import { may, session } from './session.js';

const at = (id) => `/admin?customer_id=${encodeURIComponent(id)}`;

const make = (go) =>
  form({
    label: 'New customer',
    submit: 'Make the customer',
    fields: [
      field({ name: 'name', label: 'Name', required: true, maxlength: 200 }),
      field({ name: 'domain', label: 'Domain', required: true, maxlength: 260, dir: 'ltr', hint: 'The site’s host, such as shop.example.' }),
      field({
        name: 'verified',
        label: 'I vouch for it: the domain is the customer’s',
        type: 'checkbox',
        hint: 'Otherwise it has to be proved before the widget answers.',
      }),
    ],
    act: async (values) => {
      session.customer = await call('POST', '/api/customers', { body: values });
      say('The customer is made.');
      go('');
    },
  });

export const customers = {
  title: 'Customers',
  show: ({ main, go, signal }) => {
    const draw = (items) =>
      table(
        'Customers',
        [
          [
            'Name',
            (item) => el('a', { href: at(item.id), dir: 'auto', 'aria-current': item.id === session.customer?.id ? 'true' : null }, item.name),
          ],
          ['Domain', (item) => el('span', { dir: 'ltr' }, item.domain)],
          ['Since', (item) => ago(item.created_at)],
        ],
        items,
      );
    const list = paged({
      load: (cursor) => get('/api/customers', { limit: 100, cursor }, signal),
      draw,
      none: empty(
        may('rule') ? 'There is no customer yet: make the first one below.' : 'No customer is yours to see. An owner can change that under People.',
      ),
    });
    put(main, list.node, may('rule') && section('New customer', make(go)));
  },
};
