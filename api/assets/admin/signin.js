// Signing in, and the first owner.
import { call } from './api.js';
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { device, enter, session } from './session.js';

const begun = (answer) => {
  device.set(answer.device);
  enter(answer);
  dispatchEvent(new Event('omniops:signed-in'));
};

// Sends the password; where the account has a second factor, asks for its code.
const logIn = async (main, credentials) => {
  const answer = await call('POST', '/api/admin/login', { body: { ...credentials, device: device.get() } });
  if (!answer.challenge) return begun(answer);
  const code = field({
    name: 'code',
    label: 'Code',
    hint: 'Six digits of your authenticator app, or a recovery code.',
    required: true,
    autocomplete: 'one-time-code',
    dir: 'ltr',
    maxlength: 40,
  });
  const again = el('button', { type: 'button', class: 'button plain', click: () => signIn.show({ main }) }, 'Begin again');
  put(
    main,
    form({
      label: 'Second factor',
      fields: [code],
      submit: 'Sign in',
      extra: again,
      act: async (values) =>
        begun(await call('POST', '/api/admin/login', { body: { challenge: answer.challenge, code: values.code, device: device.get() } })),
    }),
  );
  code.input.focus();
};

export const signIn = {
  title: 'Sign in to Omniops',
  show: ({ main }) => {
    put(
      main,
      session.ended && el('p', { class: 'box note' }, 'Your session has ended. Sign in again, and you are back where you were.'),
      form({
        label: 'Sign in',
        submit: 'Sign in',
        fields: [
          field({ name: 'email', label: 'E-mail', type: 'email', required: true, autocomplete: 'username', maxlength: 254 }),
          field({ name: 'password', label: 'Password', type: 'password', required: true, autocomplete: 'current-password' }),
        ],
        act: (values) => logIn(main, values),
      }),
      el('p', { class: 'hint' }, 'Nobody has an account yet? ', el('a', { href: '/admin/first' }, 'Make the first owner'), '.'),
    );
  },
};

export const first = {
  title: 'The first owner',
  show: ({ main }) => {
    put(
      main,
      el(
        'p',
        { class: 'lead' },
        'The admin token is the one that the installation was started with: OMNIOPS_ADMIN_TOKEN, or admin_token in dev.json of ',
        el('code', {}, 'omniops up'),
        '. It is used for this one call and kept nowhere.',
      ),
      form({
        label: 'The first owner',
        submit: 'Make the account and sign in',
        extra: el('a', { href: '/admin' }, 'Sign in instead'),
        fields: [
          field({ name: 'token', label: 'Admin token', type: 'password', required: true, autocomplete: 'off' }),
          field({ name: 'name', label: 'Your name', required: true, maxlength: 100, autocomplete: 'name' }),
          field({ name: 'email', label: 'E-mail', type: 'email', required: true, maxlength: 254, autocomplete: 'username' }),
          field({
            name: 'password',
            label: 'Password',
            type: 'password',
            required: true,
            minlength: 12,
            autocomplete: 'new-password',
            hint: '12 characters or more.',
          }),
        ],
        act: async ({ token, name, email, password }) => {
          await call('POST', '/api/users', { token, body: { name, email, password, role: 'owner', installation: true } });
          history.replaceState(null, '', '/admin');
          await logIn(main, { email, password });
        },
      }),
    );
  },
};
