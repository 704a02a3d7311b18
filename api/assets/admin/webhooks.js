// Outbound webhooks: where a customer's systems are told, and what became of each message.
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { ago, number, when } from './format.js';
import { paged, table } from './lists.js';
import { badge, deed, empty, once, say, section } from './parts.js';
import { may, own, read, to } from './session.js';

const EVENTS = [
  'handoff.requested',
  'handoff.overdue',
  'handoff.message',
  'handoff.closed',
  'feedback.received',
  'domain.failing',
  'domain.unverified',
  'privacy.erased',
  'crawl.held',
  'knowledge.gaps_found',
];

const make = (reload) => {
  const made = el('div');
  const boxes = EVENTS.map((event) => field({ name: event, label: event, type: 'checkbox', dir: 'ltr' }));
  return [
    form({
      label: 'New webhook',
      submit: 'Make it',
      fields: [
        field({ name: 'url', label: 'Address', type: 'url', required: true, dir: 'ltr', maxlength: 2000, hint: 'https, on the public internet.' }),
        ...boxes,
      ],
      act: async ({ url, ...chosen }, node) => {
        const events = EVENTS.filter((event) => chosen[event]);
        const webhook = await own('POST', '/api/outbound-webhooks', { body: { url, events } });
        node.reset();
        put(
          made,
          el('div', { class: 'box note' }, el('p', {}, 'The secret that signs each message. It is shown this once.'), once('secret', webhook.secret)),
        );
        await reload();
        say('The webhook is made; its secret stands below the form.');
      },
    }),
    made,
  ];
};

export const webhooks = {
  title: 'Webhooks',
  tenant: true,
  show: ({ main, signal }) => {
    const remove = (hook) => async () => {
      await own('DELETE', `/api/outbound-webhooks/${hook.id}`);
      say('The webhook is removed.');
      await list.reload();
    };
    const draw = (items) =>
      table(
        'Webhooks',
        [
          ['Address', (hook) => el('a', { href: to(`/webhooks/${hook.id}`), dir: 'ltr' }, hook.url)],
          ['Events', (hook) => hook.events.join(', ')],
          ['Made', (hook) => ago(hook.created_at)],
          [
            'Actions',
            (hook) =>
              may('decide') &&
              deed('Remove', remove(hook), {
                kind: 'danger',
                label: `Remove ${hook.url}`,
                ask: ['Remove this webhook?', `Nothing more is sent to ${hook.url}.`, 'Remove'],
              }),
          ],
        ],
        items,
      );
    const list = paged({ load: () => read('/api/outbound-webhooks', {}, signal), draw, none: empty('Nobody is told of anything yet.') });
    put(main, list.node, may('decide') && section('Another webhook', make(list.reload)));
  },
};

export const deliveries = {
  title: 'Deliveries',
  tenant: true,
  show: ({ main, id, signal }) => {
    const path = `/api/outbound-webhooks/${id}/deliveries`;
    const replay = (delivery) => async () => {
      await own('POST', `${path}/${delivery.id}/replay`);
      say('It is sent again.');
      await list.reload();
    };
    const draw = (items) =>
      table(
        'Deliveries',
        [
          ['Event', (one) => one.event],
          ['State', (one) => [badge(one.state), one.error && el('p', { class: 'hint', dir: 'auto' }, one.error)]],
          ['Tries', (one) => [number(one.attempts), one.status && `, last answer ${one.status}`]],
          ['Made', (one) => when(one.created_at)],
          ['Actions', (one) => may('decide') && deed('Send again', replay(one), { label: `Send ${one.event} of ${one.created_at} again` })],
        ],
        items,
      );
    const list = paged({ load: (cursor) => read(path, { limit: 50, cursor }, signal), draw, none: empty('Nothing was sent yet.') });
    put(main, el('p', {}, el('a', { href: to('/webhooks') }, 'All webhooks')), list.node);
  },
};
