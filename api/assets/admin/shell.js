// The frame around every view: the navigation, which offers what the role allows, and who is signed in.
import { call } from './api.js';
import { el, put } from './dom.js';
import { complain } from './parts.js';
import { may, read, session, to } from './session.js';
import { repeat } from './stream.js';

// [title, [[path, label, needs], …]]
const GROUPS = [
  [
    'Work',
    [
      ['', 'Overview', 'look'],
      ['/conversations', 'Conversations', 'look'],
      ['/gaps', 'Gaps', 'look'],
      ['/golden', 'Golden questions', 'look'],
    ],
  ],
  [
    'Site',
    [
      ['/scraping', 'Scraping', 'look'],
      ['/pages', 'Pages', 'look'],
      ['/products', 'Products', 'look'],
      ['/search', 'Search', 'look'],
      ['/schedules', 'Schedules', 'look'],
      ['/domains', 'Domains', 'look'],
    ],
  ],
  [
    'Set up',
    [
      ['/settings', 'Assistant', 'look'],
      ['/shops', 'Shops', 'look'],
      ['/webhooks', 'Webhooks', 'look'],
      ['/keys', 'Keys', 'decide'],
      ['/privacy', 'Privacy requests', 'decide'],
    ],
  ],
];
const EVERYWHERE = [
  [
    'Administration',
    [
      ['/customers', 'Customers', 'look'],
      ['/people', 'People', 'decide'],
      ['/audit', 'Audit log', 'decide'],
      ['/queues', 'Queues', 'rule'],
      ['/dead', 'Dead letters', 'rule'],
      ['/blocks', 'Blocked addresses', 'rule'],
      ['/health', 'Health', 'rule'],
    ],
  ],
];
// Seconds between two looks for visitors who wait.
const LOOK = 20;

const isCurrent = (path) => {
  const here = location.pathname.replace(/^\/admin/, '').replace(/\/$/, '');
  return path ? here === path || here.startsWith(`${path}/`) || (path === '/scraping' && here.startsWith('/jobs/')) : here === '';
};

const group =
  (waiting) =>
  ([title, links]) => {
    const offered = links.filter(([, , needs]) => may(needs));
    const items = offered.map(([path, label]) =>
      el('li', {}, el('a', { href: to(path), 'aria-current': isCurrent(path) ? 'page' : null }, label, path === '/conversations' && waiting)),
    );
    return offered.length ? [el('h2', {}, title), el('ul', {}, items)] : null;
  };

const signOut = async () => {
  try {
    await call('POST', '/api/admin/logout');
    dispatchEvent(new Event('omniops:signed-out'));
  } catch (problem) {
    complain(problem);
  }
};

// Draws the frame; `update` draws what depends on the address and the customer.
export const frame = (app) => {
  const nav = el('nav', { 'aria-label': 'Main', id: 'navigation' });
  const who = el('div', { class: 'who' });
  const main = el('main', { id: 'content' });
  const side = el('header', { class: 'side' });
  const toggle = (open) => {
    side.classList.toggle('open', open);
    menu.setAttribute('aria-expanded', String(open));
  };
  const menu = el(
    'button',
    {
      type: 'button',
      class: 'button small menu',
      'aria-expanded': 'false',
      'aria-controls': 'navigation',
      click: () => toggle(!side.classList.contains('open')),
    },
    'Menu',
  );
  const brand = el('a', { class: 'brand', href: to('') }, 'Omniops');
  put(side, el('div', { class: 'bar-top' }, brand, menu), who, nav);
  put(app, el('div', { class: 'shell' }, side, main));

  const waiting = el('span', { class: 'count', hidden: true });
  let watched;
  let watching = new AbortController();
  const watch = () => {
    if (watched === session.customer?.id) return;
    watched = session.customer?.id;
    watching.abort();
    watching = new AbortController();
    waiting.hidden = true;
    if (!watched) return;
    const { signal } = watching;
    repeat(LOOK, signal, async () => {
      if (!session.user || !side.isConnected) return watching.abort();
      const { items, next_cursor: more } = await read('/api/conversations', { state: 'waiting', limit: 100 }, signal);
      waiting.hidden = !items.length;
      put(waiting, `${items.length}${more ? '+' : ''}`, el('span', { class: 'sr' }, ' waiting'));
    });
  };

  const update = () => {
    toggle(false);
    brand.href = to('');
    const { user, customer } = session;
    put(
      who,
      el('p', { dir: 'auto' }, customer ? el('strong', {}, customer.name) : 'No customer chosen'),
      el('p', {}, el('a', { href: to('/customers') }, customer ? 'Another customer' : 'Choose a customer')),
    );
    put(
      nav,
      (customer ? [...GROUPS, ...EVERYWHERE] : EVERYWHERE).map(group(waiting)),
      el('h2', { dir: 'auto' }, user.name),
      el('ul', {}, el('li', {}, el('a', { href: to('/account'), 'aria-current': isCurrent('/account') ? 'page' : null }, 'Account'))),
      el('button', { type: 'button', class: 'button small', click: signOut }, 'Sign out'),
    );
    nav.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' });
    watch();
  };
  return { main, update };
};
