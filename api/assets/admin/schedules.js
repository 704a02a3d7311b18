// When a customer's site is crawled by itself. The API replaces the whole list at once, so a change sends all of it.
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { when } from './format.js';
import { table } from './lists.js';
import { badge, deed, empty, say, section } from './parts.js';
import { home, may, own, read, to } from './session.js';

// A schedule as it is sent: what the server adds by itself is left out, and so is what is not set.
const sendable = ({ name, cron, time_zone: zone, enabled, scrape }) => ({
  name,
  cron,
  time_zone: zone,
  enabled,
  scrape: Object.fromEntries(Object.entries(scrape).filter(([, value]) => value !== null && value !== undefined)),
});

export const schedules = {
  title: 'Schedules',
  tenant: true,
  show: async ({ main, signal }) => {
    let items;
    const list = el('div');
    const replace = async (next, told) => {
      ({ items } = await own('PUT', '/api/schedules', { body: { schedules: next.map(sendable) } }));
      draw();
      say(told);
    };
    const deeds = (one) => [
      deed(
        one.enabled ? 'Pause' : 'Resume',
        () =>
          replace(
            items.map((other) => (other === one ? { ...one, enabled: !one.enabled } : other)),
            one.enabled ? 'Paused.' : 'It runs again.',
          ),
        { label: `${one.enabled ? 'Pause' : 'Resume'} ${one.name}` },
      ),
      ' ',
      deed(
        'Remove',
        () =>
          replace(
            items.filter((other) => other !== one),
            'Removed.',
          ),
        { kind: 'danger', label: `Remove ${one.name}`, ask: ['Remove this schedule?', one.name, 'Remove'] },
      ),
    ];
    const draw = () =>
      put(
        list,
        items.length
          ? table(
              'Schedules',
              [
                ['Name', (one) => el('span', { dir: 'auto' }, one.name)],
                ['When', (one) => [el('code', { dir: 'ltr' }, one.cron), ` ${one.time_zone}`]],
                ['What', (one) => el('span', { dir: 'ltr' }, one.scrape.url)],
                ['Next', (one) => (one.enabled ? when(one.next_run_at) : badge('paused', 'warn'))],
                ['Last', (one) => (one.last_job_id ? el('a', { href: to(`/jobs/${one.last_job_id}`) }, when(one.last_run_at)) : '–')],
                ['Actions', (one) => may('work') && deeds(one)],
              ],
              items,
            ).node
          : empty('Nothing is crawled by itself yet. Once a night is a good beginning: what has not changed costs next to nothing.'),
      );
    ({ items } = await read('/api/schedules', {}, signal));
    draw();
    put(
      main,
      list,
      may('work') &&
        section(
          'Another schedule',
          form({
            label: 'New schedule',
            submit: 'Add',
            fields: [
              field({ name: 'name', label: 'Name', required: true, value: items.length ? '' : 'nightly' }),
              field({ name: 'url', label: 'Where to begin', type: 'url', required: true, dir: 'ltr', value: home() }),
              field({
                name: 'cron',
                label: 'When',
                required: true,
                dir: 'ltr',
                value: '0 3 * * *',
                hint: 'Minute, hour, day of month, month, day of week: 0 3 * * * is every night at three.',
              }),
              field({
                name: 'time_zone',
                label: 'Time zone',
                required: true,
                dir: 'ltr',
                value: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC',
              }),
            ],
            act: async ({ url, ...values }, node) => {
              await replace([...items, { ...values, enabled: true, scrape: { url } }], 'The schedule is made.');
              node.reset();
            },
          }),
        ),
    );
  },
};
