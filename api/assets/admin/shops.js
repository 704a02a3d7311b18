// The shops that a customer has connected. Their credentials go to the server and are never shown again.
import { el, out, put } from './dom.js';
import { field, form } from './form.js';
import { ago } from './format.js';
import { badge, deed, empty, facts, once, say, section } from './parts.js';
import { may, own, read, to } from './session.js';

const NAMES = { woocommerce: 'WooCommerce', shopify: 'Shopify' };
const secret = (name, label, hint) => field({ name, label, type: 'password', required: true, maxlength: 500, autocomplete: 'off', hint });

const PLATFORMS = {
  woocommerce: () => [
    field({ name: 'url', label: 'Start page of the shop', type: 'url', required: true, dir: 'ltr', maxlength: 2000, hint: 'By https.' }),
    secret('consumer_key', 'Consumer key', 'ck_…, of a key that may read: WooCommerce, Settings, Advanced, REST API.'),
    secret('consumer_secret', 'Consumer secret', 'cs_…'),
    secret('webhook_secret', 'Secret of the webhooks', 'What you set in the shop’s webhooks.'),
  ],
  shopify: () => [
    field({ name: 'url', label: 'Shop', required: true, dir: 'ltr', maxlength: 2000, hint: 'name.myshopify.com' }),
    secret('access_token', 'Access token', 'shpat_…, with the scope read_products.'),
    secret('client_secret', 'Client secret', 'Of the app; it signs the shop’s webhooks.'),
  ],
};

const card = (shop, again, go) => {
  const sync = (mode) => async () => {
    const { job_id: job } = await own('POST', '/api/sync', { body: { connection_id: shop.id, mode } });
    go(`/jobs/${job}`);
  };
  const test = async () => {
    const found = await read(`/api/${shop.platform}/test`);
    say(found.ok ? 'The shop answers, and takes the credentials.' : found.detail);
  };
  const remove = async () => {
    await own('DELETE', `/api/connections/${shop.id}`);
    say('The shop is disconnected.');
    await again();
  };
  return el(
    'li',
    { class: 'card' },
    el('h2', { dir: 'auto' }, shop.name ?? NAMES[shop.platform]),
    el('p', { class: 'row' }, badge(shop.state, shop.state === 'connected' ? 'good' : 'warn'), NAMES[shop.platform], out(shop.url)),
    shop.error && el('p', { class: 'box bad', dir: 'auto' }, shop.error),
    facts(['Currency', shop.currency ?? '–'], ['Products read', ago(shop.synced_at)], ['Connected', ago(shop.created_at)]),
    el('h3', {}, 'The shop’s webhooks go to'),
    once('address for webhooks', shop.webhook_url),
    el(
      'div',
      { class: 'row' },
      el('a', { href: to('/products') }, 'Products'),
      deed('Does it answer?', test),
      may('work') && [deed('Read changes', sync('incremental')), deed('Read everything', sync('full'))],
      may('decide') &&
        deed('Disconnect', remove, {
          kind: 'danger',
          ask: ['Disconnect this shop?', 'The credentials and everything that was read from it go.', 'Disconnect'],
        }),
    ),
  );
};

const connect = (platform, again) =>
  el(
    'details',
    {},
    el('summary', {}, NAMES[platform]),
    form({
      label: `Connect ${NAMES[platform]}`,
      fields: PLATFORMS[platform](),
      submit: 'Connect',
      act: async (values, node) => {
        await own('POST', '/api/connections', { body: { platform, ...values } });
        node.reset();
        say('The shop is connected, and its products are being read.');
        await again();
      },
    }),
  );

export const shops = {
  title: 'Shops',
  tenant: true,
  show: async ({ main, go, signal }) => {
    const list = el('div');
    const again = async () => {
      const { items } = await read('/api/connections', {}, signal);
      put(
        list,
        items.length
          ? el(
              'ul',
              { class: 'plainlist' },
              items.map((shop) => card(shop, again, go)),
            )
          : empty('No shop is connected. With one, prices and stock are answered from the shop itself.'),
      );
    };
    await again();
    put(
      main,
      list,
      may('decide') &&
        section(
          'Connect a shop',
          el('p', { class: 'hint' }, 'The shop is asked before anything is kept. Connecting the same one again replaces its credentials.'),
          Object.keys(PLATFORMS).map((platform) => connect(platform, again)),
        ),
    );
  },
};
