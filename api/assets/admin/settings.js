// The assistant: how it speaks, what it offers, how it looks, and when people come in.
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { facts, once, say, section } from './parts.js';
import { may, own, read, session } from './session.js';

const LOCALES = ['en', 'de', 'fr', 'es', 'it', 'nl', 'pt', 'pl', 'ar', 'he', 'ja'];
const names = new Intl.DisplayNames(undefined, { type: 'language' });
const orNull = (text) => text || null;

// Each part is a form of its own, and sends nothing but what it shows. `send` makes the change of the values.
const PARTS = [
  {
    title: 'Who it is',
    fields: (now) => [
      field({ name: 'name', label: 'Name', maxlength: 60, value: now.name }),
      field({
        name: 'tone',
        label: 'Tone',
        type: 'select',
        required: true,
        value: now.tone,
        options: [
          ['friendly', 'friendly'],
          ['neutral', 'neutral'],
          ['formal', 'formal'],
        ],
      }),
      field({
        name: 'greeting',
        label: 'Greeting',
        maxlength: 400,
        value: now.greeting.default,
        hint: 'In every language that has none of its own.',
      }),
      field({
        name: 'locale',
        label: 'Language',
        type: 'select',
        value: now.locale,
        options: [['', 'the page’s'], ...LOCALES.map((key) => [key, names.of(key)])],
      }),
    ],
    send: (values, now) => ({
      name: orNull(values.name),
      tone: values.tone,
      locale: orNull(values.locale),
      greeting: greetings(now.greeting, values.greeting),
    }),
  },
  {
    title: 'Suggestions',
    fields: (now) => [
      field({ name: 'chosen', label: 'Choose them from the site', type: 'checkbox', value: !now.suggestions }),
      field({
        name: 'suggestions',
        label: 'Own questions',
        type: 'lines',
        rows: 6,
        value: now.suggestions ?? [],
        hint: 'One a line, six at most. They count where the box above is empty; no line means no suggestions.',
      }),
    ],
    send: (values) => ({ suggestions: values.chosen ? null : values.suggestions }),
  },
  {
    title: 'Contact',
    fields: (now) => [
      field({ name: 'contact_email', label: 'E-mail', type: 'email', value: now.contact_email, hint: 'Shown where the site does not say.' }),
      field({ name: 'contact_url', label: 'Contact page', type: 'url', dir: 'ltr', value: now.contact_url }),
    ],
    send: (values) => ({ contact_email: orNull(values.contact_email), contact_url: orNull(values.contact_url) }),
  },
  {
    title: 'People',
    fields: ({ handoff }) => [
      field({ name: 'enabled', label: 'Visitors may ask for a person', type: 'checkbox', value: handoff.enabled ?? true }),
      field({ name: 'email', label: 'Who is written to', type: 'email', value: handoff.email, hint: 'Otherwise the contact’s e-mail.' }),
      field({ name: 'wait_minutes', label: 'Minutes until nobody came', type: 'number', min: 1, value: handoff.wait_minutes }),
      field({
        name: 'idle_minutes',
        label: 'Minutes without a reply until another is looked for',
        type: 'number',
        min: 1,
        value: handoff.idle_minutes,
      }),
      field({ name: 'hours', label: 'Hours', dir: 'ltr', value: handoff.hours, hint: '09:00-17:00 +02:00' }),
    ],
    send: (values) => ({
      handoff: {
        enabled: values.enabled,
        email: orNull(values.email),
        wait_minutes: values.wait_minutes,
        idle_minutes: values.idle_minutes,
        hours: orNull(values.hours),
      },
    }),
  },
  {
    title: 'Look of the widget',
    fields: ({ theme, texts }) => [
      field({ name: 'color', label: 'Colour', dir: 'ltr', pattern: '#[0-9a-fA-F]{6}', value: theme.color, hint: 'Such as #1d5fd1.' }),
      field({
        name: 'position',
        label: 'Side',
        type: 'select',
        value: theme.position,
        options: [
          ['', 'as the script tag says'],
          ['left', 'left'],
          ['right', 'right'],
        ],
      }),
      field({
        name: 'mode',
        label: 'Light or dark',
        type: 'select',
        value: theme.mode,
        options: [
          ['', 'the visitor’s'],
          ['light', 'light'],
          ['dark', 'dark'],
        ],
      }),
      field({ name: 'title', label: 'Title', maxlength: 120, value: texts.title }),
      field({ name: 'subtitle', label: 'Line below the title', maxlength: 120, value: texts.subtitle }),
      field({ name: 'placeholder', label: 'In the empty field', maxlength: 120, value: texts.placeholder }),
    ],
    send: (values) => ({
      theme: { color: orNull(values.color), position: orNull(values.position), mode: orNull(values.mode) },
      texts: { title: orNull(values.title), subtitle: orNull(values.subtitle), placeholder: orNull(values.placeholder) },
    }),
  },
  {
    title: 'Keeping',
    fields: (now) => [
      field({
        name: 'retention_days',
        label: 'Days that a conversation is kept after its last turn',
        type: 'number',
        required: true,
        min: 1,
        value: now.retention_days,
      }),
      field({
        name: 'golden_tolerance',
        label: 'Share of golden questions that a crawl may lose',
        type: 'number',
        min: 0,
        max: 1,
        step: 'any',
        value: now.golden_tolerance,
      }),
    ],
    send: (values) => values,
  },
];

const greetings = (now, text) => ({ ...now, default: orNull(text) });

const part = ({ title, fields, send }, now, changed) =>
  section(
    title,
    form({
      label: title,
      fields: fields(now),
      submit: 'Save',
      act: async (values) => {
        changed(await own('PATCH', '/api/settings', { body: send(values, now) }));
        say(`Saved: ${title}.`);
      },
    }),
  );

const plain = (now) =>
  facts(
    ['Name', now.name ?? '–'],
    ['Tone', now.tone],
    ['Greeting', now.greeting.default ?? '–'],
    ['Suggestions', now.suggestions?.join(' · ') ?? 'chosen from the site'],
    ['Contact', now.contact_email ?? now.contact_url ?? '–'],
    ['Kept for', `${now.retention_days} days`],
  );

// What puts the widget on the site.
const tag = () =>
  section(
    'On the site',
    el('p', {}, 'One line in every page of the site, before the end of its body. The widget asks for nothing until a visitor opens it.'),
    once('script tag', `<script async src="${location.origin}/embed.js" data-domain="${session.customer.domain}"></script>`),
  );

export const settings = {
  title: 'Assistant',
  tenant: true,
  show: async ({ main, signal }) => {
    const now = await read('/api/settings', {}, signal);
    if (!may('work')) return put(main, plain(now), tag());
    return put(
      main,
      el('p', { class: 'lead' }, 'Changes hold from the next question on.'),
      tag(),
      PARTS.map((one) => part(one, now, (after) => Object.assign(now, after))),
    );
  },
};
