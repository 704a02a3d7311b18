// People's accounts: roles, customers, and help for whoever is locked out.
import { call, get } from './api.js';
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { ago, plural } from './format.js';
import { paged, table } from './lists.js';
import { badge, deed, empty, say, section } from './parts.js';
import { may, session } from './session.js';

const ROLES = [
  ['viewer', 'viewer: looks'],
  ['editor', 'editor: works with content and conversations'],
  ['owner', 'owner: decides about access as well'],
];
const reach = (user) => (user.installation ? 'all customers' : plural(user.customers.length, 'customer'));

const roleFields = (value = {}) =>
  [
    field({ name: 'role', label: 'Role', type: 'select', required: true, value: value.role ?? 'editor', options: ROLES }),
    may('rule') &&
      field({
        name: 'installation',
        label: 'Owner of the installation: of every customer, also of those to come',
        type: 'checkbox',
        value: value.installation,
      }),
  ].filter(Boolean);

// Who is no owner of the installation works for named customers: those they have, else the one that is looked at.
const bound = ({ installation, role }, customers) =>
  installation
    ? { role: 'owner', installation: true }
    : { role, customers: customers?.length ? customers : session.customer ? [session.customer.id] : [] };

const change = (user, reload) => {
  const path = `/api/users/${user.id}`;
  const act = (method, rest, body, told) => async () => {
    await call(method, `${path}${rest}`, { body });
    say(told);
    await reload();
  };
  const roles = form({
    label: `Role of ${user.name}`,
    fields: roleFields(user),
    submit: 'Save',
    act: async (values) => act('PATCH', '', bound(values, user.customers), `The role is changed; ${user.name} signs in again.`)(),
  });
  const here = session.customer && !user.installation && !user.customers.includes(session.customer.id);
  return el(
    'details',
    {},
    el('summary', {}, 'Change'),
    roles,
    el(
      'div',
      { class: 'row' },
      here && deed(`Add ${session.customer.name}`, act('PATCH', '', { customers: [...user.customers, session.customer.id] }, 'Added.')),
      deed(
        user.disabled_at ? 'Open the account' : 'Close the account',
        act('PATCH', '', { disabled: !user.disabled_at }, user.disabled_at ? 'The account is open.' : 'The account is closed.'),
      ),
      user.second_factor &&
        deed('Take the second factor off', act('DELETE', '/second-factor', undefined, 'The second factor is off.'), {
          ask: [
            'Take the second factor off?',
            `${user.name} then signs in with the password alone. Make sure that it is really them who ask.`,
            'Take it off',
          ],
        }),
      deed('Remove', act('DELETE', '', undefined, 'The account is removed.'), {
        kind: 'danger',
        ask: ['Remove this account?', `${user.email} can’t sign in any more.`, 'Remove'],
      }),
    ),
  );
};

export const people = {
  title: 'People',
  needs: 'decide',
  show: ({ main, signal }) => {
    const draw = (items) =>
      table(
        'People',
        [
          ['Name', (user) => [el('span', { dir: 'auto' }, user.name), el('p', { class: 'hint', dir: 'ltr' }, user.email)]],
          ['Role', (user) => [badge(user.installation ? 'owner of the installation' : user.role), el('p', { class: 'hint' }, reach(user))]],
          ['Second factor', (user) => badge(user.second_factor ? 'on' : 'off', user.second_factor ? 'good' : '')],
          ['Signed in', (user) => [ago(user.last_login_at), user.disabled_at && badge('closed', 'bad')]],
          ['Actions', (user) => (user.id === session.user.id ? el('span', { class: 'mute' }, 'you') : change(user, list.reload))],
        ],
        items,
      );
    const list = paged({ load: (cursor) => get('/api/users', { limit: 50, cursor }, signal), draw, none: empty('Nobody has an account.') });
    put(
      main,
      list.node,
      section(
        'Another person',
        form({
          label: 'New account',
          submit: 'Make the account',
          fields: [
            field({ name: 'name', label: 'Name', required: true, maxlength: 100, autocomplete: 'off' }),
            field({ name: 'email', label: 'E-mail', type: 'email', required: true, maxlength: 254, autocomplete: 'off' }),
            field({
              name: 'password',
              label: 'First password',
              type: 'password',
              required: true,
              minlength: 12,
              autocomplete: 'new-password',
              hint: '12 characters or more. Hand it over in person; it is changed under Account.',
            }),
            ...roleFields(),
          ],
          act: async ({ name, email, password, ...role }, node) => {
            await call('POST', '/api/users', { body: { name, email, password, ...bound(role) } });
            node.reset();
            await list.reload();
            say(`${name} can sign in.`);
          },
        }),
        session.customer && el('p', { class: 'hint' }, `For ${session.customer.name}, unless it is an owner of the installation.`),
      ),
    );
  },
};
