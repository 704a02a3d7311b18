// The own account: password and second factor.
import { call } from './api.js';
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { facts, once, say, section } from './parts.js';
import { drawing } from './qr.js';
import { enter, session } from './session.js';

const passwordForm = () =>
  form({
    label: 'Change the password',
    account: session.user.email,
    submit: 'Change the password',
    fields: [
      field({ name: 'old_password', label: 'Password now', type: 'password', required: true, autocomplete: 'current-password' }),
      field({
        name: 'new_password',
        label: 'New password',
        type: 'password',
        required: true,
        minlength: 12,
        autocomplete: 'new-password',
        hint: '12 characters or more. Your other sessions end.',
      }),
    ],
    act: async (values, node) => {
      enter(await call('POST', '/api/admin/password', { body: values }));
      node.reset();
      say('The password is changed; your other sessions have ended.');
    },
  });

const password = () => field({ name: 'password', label: 'Password', type: 'password', required: true, autocomplete: 'current-password' });
const code = (hint) => field({ name: 'code', label: 'Code', required: true, autocomplete: 'one-time-code', maxlength: 40, dir: 'ltr', hint });

const shown = (main, again, codes) => {
  put(
    main,
    el(
      'p',
      { class: 'box note' },
      'The second factor is on. Keep these recovery codes where you find them without your phone: each opens the account once, and they are shown this once.',
    ),
    el(
      'ol',
      {},
      codes.map((text) => el('li', {}, el('code', { dir: 'ltr' }, text))),
    ),
    once('all codes', codes.join(' ')),
    el('button', { type: 'button', class: 'button first', click: again }, 'I have kept them'),
  );
};

const confirm = (main, again, { secret, uri }) => {
  const number = code('Six digits that the app shows now.');
  put(
    main,
    el('p', {}, 'Take the picture with your authenticator app, or type the secret into it.'),
    drawing(uri, 'The secret as a QR code for an authenticator app'),
    once('secret', secret),
    form({
      label: 'Confirm the second factor',
      fields: [number],
      submit: 'Turn it on',
      act: async (values) => {
        const on = await call('POST', '/api/admin/second-factor/confirm', { body: values });
        enter(on);
        session.user.second_factor = true;
        shown(main, again, on.recovery_codes);
      },
    }),
  );
  number.input.focus();
};

const secondFactor = (main) => {
  const again = () => secondFactor(main);
  if (session.user.second_factor) {
    put(
      main,
      el('p', {}, 'On: signing in asks for a code of your app.'),
      el(
        'details',
        {},
        el('summary', {}, 'Turn it off'),
        form({
          label: 'Turn the second factor off',
          account: session.user.email,
          fields: [password(), code('Of the app, or a recovery code.')],
          submit: 'Turn it off',
          danger: true,
          act: async (values) => {
            enter(await call('DELETE', '/api/admin/second-factor', { body: values }));
            session.user.second_factor = false;
            again();
            say('The second factor is off.');
          },
        }),
      ),
    );
    return;
  }
  put(
    main,
    el('p', {}, 'Off. With it, a stolen password opens nothing: signing in also asks for a code of an app on your phone.'),
    form({
      label: 'Begin with a second factor',
      account: session.user.email,
      fields: [password()],
      submit: 'Set it up',
      act: async (values) => confirm(main, again, await call('POST', '/api/admin/second-factor', { body: values })),
    }),
  );
};

export const account = {
  title: 'Account',
  show: ({ main }) => {
    const { user } = session;
    const factor = el('div');
    secondFactor(factor);
    put(
      main,
      facts(['Name', user.name], ['E-mail', user.email], ['Role', user.installation ? 'owner of the installation' : user.role]),
      section('Second factor', factor),
      section('Password', passwordForm()),
    );
  },
};
