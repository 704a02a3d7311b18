// A customer at a glance, and what to do next.
import { call, get } from './api.js';
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { ago, day, number, plural, usd } from './format.js';
import { bars } from './bars.js';
import { badge, say, section } from './parts.js';
import { may, read, session, to } from './session.js';

const card = (title, big, ...rest) => el('div', { class: 'card' }, el('h2', {}, title), el('p', { class: 'big' }, big), rest);
const link = (path, text, query) => el('p', {}, el('a', { href: to(path, query) }, text));
const counted = ({ items, next_cursor: more }) => `${number(items.length)}${more ? '+' : ''}`;

const DAYS = 30;

// What a new customer has to do first; nothing once it is done.
const steps = (customer, last, asked) => {
  const open = customer.domains.filter((domain) => !domain.verified);
  const list = [
    open.length &&
      may('decide') &&
      el('li', {}, `Prove ${open.map((domain) => domain.host).join(', ')}: `, el('a', { href: to('/domains') }, 'domains')),
    !last &&
      may('work') &&
      el('li', {}, 'Read the site, so that there is something to answer from: ', el('a', { href: to('/scraping') }, 'start a crawl')),
    !asked && el('li', {}, 'Put the widget on the site: ', el('a', { href: to('/settings') }, 'its script tag')),
  ].filter(Boolean);
  return list.length ? el('div', { class: 'box note' }, el('h2', {}, 'Next'), el('ol', {}, list)) : null;
};

const indexed = (last) =>
  last
    ? card(
        'Index',
        plural(last.result?.pages ?? 0, 'page'),
        el('p', {}, 'as of a crawl ', ago(last.finished_at)),
        link(`/jobs/${last.id}`, 'What it decided'),
      )
    : card('Index', 'Empty', el('p', {}, 'No crawl has ended yet.'), link('/scraping', 'Scraping'));

// One line a day; the API leaves out those without any use.
const everyDay = (days) => {
  const known = new Map(days.map((line) => [line.day, line]));
  return Array.from({ length: DAYS }, (_, i) => {
    const date = new Date(Date.now() - (DAYS - 1 - i) * 86_400_000).toISOString().slice(0, 10);
    return known.get(date) ?? { day: date, chats: 0, cost_usd: 0 };
  });
};

const use = ({ days, total, budget }) => {
  if (!days.length) return section(`Last ${DAYS} days`, el('p', { class: 'mute' }, 'Nobody has asked anything yet.'));
  const lines = everyDay(days);
  const limits = [
    [budget?.soft_usd, 'Soft limit: the small model answers'],
    [budget?.hard_usd, 'Hard limit: answers are quotes'],
  ].filter(([value]) => value);
  const costs = total.cost_usd > 0 || limits.length > 0;
  return section(
    `Last ${DAYS} days`,
    el(
      'div',
      { class: 'cards' },
      bars(
        `Questions: ${number(total.chats)}`,
        lines.map((line) => [day(line.day), line.chats, number(line.chats)]),
      ),
      costs &&
        bars(
          `Cost: ${usd(total.cost_usd)}`,
          lines.map((line) => [day(line.day), line.cost_usd, usd(line.cost_usd)]),
          limits.map(([value, label]) => [value, `${label} from ${usd(value)} a day`]),
        ),
    ),
  );
};

// For owners of the installation: what the customer's answers may cost.
const budgeting = (budget) =>
  el(
    'details',
    {},
    el('summary', {}, 'Daily budget'),
    form({
      label: 'Daily budget',
      submit: 'Save',
      fields: [
        field({
          name: 'soft_usd',
          label: 'From here on the small model answers (USD a day)',
          type: 'number',
          min: 0,
          step: 'any',
          value: budget?.soft_usd,
        }),
        field({
          name: 'hard_usd',
          label: 'From here on answers are quotes (USD a day)',
          type: 'number',
          min: 0,
          step: 'any',
          value: budget?.hard_usd,
          hint: 'Left empty, the installation’s limits hold.',
        }),
      ],
      act: async (body) => {
        await call('PUT', `/api/customers/${session.customer.id}/budget`, { body });
        say('The budget is set.');
      },
    }),
  );

export const overview = {
  title: 'Overview',
  tenant: true,
  show: async ({ main, signal, name }) => {
    put(main, el('p', { class: 'mute' }, 'Loading …'));
    const [customer, waiting, running, held, ended, usage] = await Promise.all([
      get(`/api/customers/${session.customer.id}`, {}, signal),
      read('/api/conversations', { state: 'waiting', limit: 100 }, signal),
      read('/api/jobs', { state: 'running', limit: 100 }, signal),
      read('/api/jobs', { state: 'needs_confirmation', limit: 100 }, signal),
      read('/api/jobs', { kind: 'scrape', state: 'done', limit: 1 }, signal),
      read('/api/usage', {}, signal),
    ]);
    name(customer.name);
    const proved = customer.domains.filter((domain) => domain.verified).length;
    put(
      main,
      steps(customer, ended.items[0], usage.total.chats > 0),
      el(
        'div',
        { class: 'cards' },
        card('Waiting for a person', counted(waiting), link('/conversations', 'Conversations', { state: 'waiting' })),
        indexed(ended.items[0]),
        card(
          'Jobs running',
          counted(running),
          held.items.length ? el('p', {}, badge('needs_confirmation'), ` ${counted(held)}`) : null,
          link('/scraping', 'Scraping'),
        ),
        card('Domains', `${proved} of ${customer.domains.length} proved`, link('/domains', 'Domains')),
      ),
      use(usage),
      may('rule') && budgeting(usage.budget),
    );
  },
};
