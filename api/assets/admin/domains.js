// A customer's domains: claims, proofs, and how to give one.
import { call, get } from './api.js';
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { ago } from './format.js';
import { badge, deed, once, say, section } from './parts.js';
import { may, session } from './session.js';

const path = (rest) => `/api/customers/${session.customer.id}/domains${rest}`;
const of = (host, rest = '') => path(`/${encodeURIComponent(host)}${rest}`);

const instructions = ({ host, token }) =>
  el(
    'details',
    { open: true },
    el('summary', {}, 'How to prove it'),
    el('p', {}, 'Put the token into one of these places, then let it be looked for. Leave it there: it is looked at every week.'),
    el('h3', {}, 'DNS'),
    el('p', {}, 'A TXT record of ', el('code', { dir: 'ltr' }, `_omniops-challenge.${host}`), ':'),
    once('DNS record', `omniops-verification=${token}`),
    el('h3', {}, 'A file'),
    el('p', {}, 'A line at ', el('code', { dir: 'ltr' }, `https://${host}/.well-known/omniops.txt`), ':'),
    once('line of the file', token),
    el('h3', {}, 'A meta tag'),
    el('p', {}, 'In the head of the home page:'),
    once('meta tag', `<meta name="omniops-verification" content="${token}">`),
  );

const state = (domain) => {
  if (!domain.verified) return [badge(domain.unverified_at ? 'proof lost' : 'not proved', 'warn'), domain.unverified_at && ago(domain.unverified_at)];
  if (domain.failing_since) return [badge('failing'), el('span', {}, 'The proof has not been found since ', ago(domain.failing_since))];
  return [
    badge('verified'),
    domain.method && `by ${domain.method}`,
    domain.checked_at && el('span', { class: 'mute' }, 'looked at ', ago(domain.checked_at)),
  ];
};

const card = (domain, again) => {
  const act = (method, rest, told, query) => async () => {
    await call(method, of(domain.host, rest), { query });
    say(told);
    await again();
  };
  const deeds =
    may('decide') &&
    el(
      'div',
      { class: 'row' },
      !domain.verified && deed('Look for the proof', act('POST', '/verify', `${domain.host} is proved.`), { kind: 'first' }),
      !domain.verified &&
        may('rule') &&
        deed('Vouch for it', act('POST', '/verify', `${domain.host} counts as proved.`, { vouch: true }), {
          ask: ['Vouch for this domain?', `${domain.host} counts as this customer’s without a proof.`, 'Vouch'],
        }),
      domain.host !== session.customer.domain &&
        deed('Remove', act('DELETE', '', `${domain.host} is removed.`), {
          kind: 'danger',
          ask: ['Remove this domain?', `The widget stops answering on ${domain.host} at once.`, 'Remove'],
        }),
    );
  return el(
    'li',
    { class: 'card' },
    el('h2', { dir: 'ltr' }, domain.host),
    el('p', { class: 'row' }, state(domain)),
    !domain.verified && may('decide') && instructions(domain),
    deeds,
  );
};

export const domains = {
  title: 'Domains',
  tenant: true,
  show: async ({ main, signal }) => {
    const list = el('ul', { class: 'plainlist' });
    const again = async () => {
      const customer = await get(`/api/customers/${session.customer.id}`, {}, signal);
      put(
        list,
        customer.domains.map((domain) => card(domain, again)),
      );
    };
    await again();
    put(
      main,
      el('p', { class: 'lead' }, 'The widget answers on pages of proved domains only; of others a crawl reads a preview.'),
      list,
      may('decide') &&
        section(
          'Another domain',
          form({
            label: 'Another domain',
            submit: 'Claim it',
            fields: [field({ name: 'domain', label: 'Host', required: true, maxlength: 260, dir: 'ltr' })],
            act: async (body, node) => {
              await call('POST', path(''), { body });
              node.reset();
              await again();
              say('Claimed. Now prove it.');
            },
          }),
        ),
    );
  },
};
