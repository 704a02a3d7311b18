// The admin page: finds who is signed in, draws the frame, and shows the view that the address names. Views stand in modules of their own; each has a
// `title`, what the role has to allow (`needs`), whether it is of a customer (`tenant`), and `show(view)`, which draws into `view.main` until
// `view.signal` aborts.
import { Problem, get, onSessionEnd } from './api.js';
import { el, put } from './dom.js';
import { empty } from './parts.js';
import { chooseCustomer, enter, leave, may, session, to } from './session.js';
import { frame } from './shell.js';
import { first, signIn } from './signin.js';
import { account } from './account.js';
import { audit } from './audit.js';
import { blocks } from './blocks.js';
import { conversation } from './conversation.js';
import { conversations } from './conversations.js';
import { customers } from './customers.js';
import { dead } from './dead.js';
import { domains } from './domains.js';
import { gaps } from './gaps.js';
import { golden, run } from './golden.js';
import { health } from './health.js';
import { job } from './job.js';
import { keys } from './keys.js';
import { overview } from './overview.js';
import { page } from './page.js';
import { pages } from './pages.js';
import { people } from './people.js';
import { privacy } from './privacy.js';
import { products } from './products.js';
import { queues } from './queues.js';
import { schedules } from './schedules.js';
import { scraping } from './scraping.js';
import { search } from './search.js';
import { settings } from './settings.js';
import { shops } from './shops.js';
import { deliveries, webhooks } from './webhooks.js';

const VIEWS = [
  ['', overview],
  ['/account', account],
  ['/audit', audit],
  ['/blocks', blocks],
  ['/conversations', conversations],
  ['/conversations/:id', conversation],
  ['/customers', customers],
  ['/dead', dead],
  ['/domains', domains],
  ['/gaps', gaps],
  ['/golden', golden],
  ['/golden/runs/:id', run],
  ['/health', health],
  ['/jobs/:id', job],
  ['/keys', keys],
  ['/pages', pages],
  ['/pages/:id', page],
  ['/people', people],
  ['/privacy', privacy],
  ['/products', products],
  ['/queues', queues],
  ['/schedules', schedules],
  ['/scraping', scraping],
  ['/search', search],
  ['/settings', settings],
  ['/shops', shops],
  ['/webhooks', webhooks],
  ['/webhooks/:id', deliveries],
].map(([path, view]) => [new RegExp(`^/admin${path.replace(':id', '([0-9a-f-]{36})')}/?$`), view]);

const app = document.getElementById('app');
let shell;
let leaving = new AbortController();
// Counts what was asked for, so that a slow answer does not draw over a later view.
let asked = 0;

const find = (path) => {
  for (const [pattern, view] of VIEWS) {
    const found = pattern.exec(path);
    if (found) return [view, found[1]];
  }
  return [null];
};

// Draws a view's heading and body into the main part. The heading takes the focus, so that screen readers begin there.
const draw = async (main, view, id, { focus, query }) => {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const heading = el('h1', { tabindex: '-1' }, view.title);
  const body = el('div');
  put(main, heading, body);
  const name = (title) => {
    heading.textContent = title;
    document.title = `${title} – Omniops`;
  };
  name(view.title);
  if (focus) heading.focus({ preventScroll: true });
  try {
    await view.show({ main: body, id, query, signal, go, name });
  } catch (problem) {
    if (signal.aborted || problem.status === 401) return;
    if (!(problem instanceof Problem)) console.error(problem);
    const retry = el('button', { type: 'button', class: 'button', click: () => route(true) }, 'Try again');
    put(
      body,
      el(
        'div',
        { class: 'box bad', role: 'alert' },
        el('p', {}, problem.message),
        problem.request && el('p', { class: 'hint' }, `Request ${problem.request}`),
        retry,
      ),
    );
  }
};

const missing = {
  title: 'Not found',
  show: ({ main }) => put(main, empty('There is no such page here.', el('a', { href: to('') }, 'To the overview'))),
};
const forbidden = {
  title: 'Not yours to see',
  show: ({ main }) =>
    put(main, empty('Your role does not allow this. An owner can change that under People.', el('a', { href: to('') }, 'To the overview'))),
};

// Shows what the address names.
const route = async (focus) => {
  asked += 1;
  const turn = asked;
  const query = Object.fromEntries(new URLSearchParams(location.search));
  const [found, id] = find(location.pathname);
  if (!session.user) {
    shell = null;
    const main = el('main', { id: 'content', class: 'alone' });
    put(app, main);
    await draw(main, location.pathname === '/admin/first' ? first : signIn, null, { focus, query });
    return;
  }
  let view = found ?? missing;
  try {
    await chooseCustomer(query.customer_id, null);
  } catch (problem) {
    session.customer = null;
    if (problem.status === 401) return;
    if (view.tenant) view = problem.status === 404 || problem.status === 400 ? customers : { ...view, show: () => Promise.reject(problem) };
  }
  if (turn !== asked) return;
  if (view.tenant && !session.customer) view = customers;
  if (view.needs && !may(view.needs)) view = forbidden;
  shell ??= frame(app);
  shell.update();
  await draw(shell.main, view, id, { focus, query });
};

// Goes to a view of the same customer.
const go = (path, query) => {
  history.pushState(null, '', to(path, query));
  scrollTo(0, 0);
  return route(true);
};

document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href]');
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || link.target) return;
  const url = new URL(link.href);
  if (url.hash === '#content') {
    event.preventDefault();
    const main = document.getElementById('content');
    main.tabIndex = -1;
    main.focus();
  } else if (url.origin === location.origin && /^\/admin(\/|$)/.test(url.pathname)) {
    event.preventDefault();
    history.pushState(null, '', url);
    scrollTo(0, 0);
    route(true);
  }
});
addEventListener('popstate', () => route(true));
addEventListener('omniops:signed-in', () => route(true));
addEventListener('omniops:signed-out', () => {
  leave();
  // Whoever comes next begins at the beginning.
  history.replaceState(null, '', '/admin');
  route(true);
});
onSessionEnd(() => {
  if (!session.user) return;
  leave();
  session.ended = true;
  route(true);
});

try {
  enter(await get('/api/admin/me'));
} catch (problem) {
  if (problem.status !== 401)
    put(app, el('main', { class: 'alone', id: 'content' }, el('h1', {}, 'Omniops'), el('p', { class: 'box bad', role: 'alert' }, problem.message)));
}
await route(false);
