// What people may ask about their data: a copy of it, and to be forgotten. Whoever asks has proved to the customer that it is theirs.
import { el, put } from './dom.js';
import { field, form } from './form.js';
import { number, when, words } from './format.js';
import { confirmed, deed, facts, once, say, section } from './parts.js';
import { own, read } from './session.js';
import { repeat } from './stream.js';

// Seconds between two looks whether a job has made the copy.
const LOOK = 3;

const whom = (query) => [
  field({ name: 'email', label: 'E-mail that the person gave in the widget', type: 'email', maxlength: 254, value: query.email }),
  field({
    name: 'session_id',
    label: 'Or the session',
    dir: 'ltr',
    maxlength: 36,
    value: query.session_id,
    hint: 'As conversations have it. One of the two.',
  }),
];
const person = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value));

// Gives the browser a file of what the page already has.
const keep = (name, content) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: 'application/json' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

const copied = (copy) => {
  const counts = Object.entries(copy.counts).filter(([, count]) => count > 0);
  return el(
    'div',
    { class: 'box note' },
    counts.length ? facts(...counts.map(([table, count]) => [words(table), number(count)])) : el('p', {}, 'Nothing is held about this person.'),
    deed('Save the document', () => keep(`export-${copy.made_at.slice(0, 10)}.json`, copy), { kind: 'first' }),
  );
};

const exporting = (query, signal) => {
  const made = el('div', { role: 'status' });
  const wait = (job) => {
    put(
      made,
      el('p', { class: 'box note' }, 'There is much: a job makes the copy, and it appears here. It can be had until ', when(job.expires_at), '.'),
    );
    const waiting = new AbortController();
    repeat(LOOK, AbortSignal.any([signal, waiting.signal]), async () => {
      const { state } = await read(`/api/gdpr/exports/${job.export_id}`, {}, signal);
      if (state !== 'done') return;
      waiting.abort();
      put(made, copied(await read(`/api/gdpr/exports/${job.export_id}/document`, {}, signal)));
    });
  };
  return section(
    'A copy of all that is held',
    form({
      label: 'A copy',
      fields: whom(query),
      submit: 'Make the copy',
      act: async (values) => {
        const answer = await own('POST', '/api/gdpr/export', { body: person(values) });
        if (answer.export_id) wait(answer);
        else put(made, copied(answer));
      },
    }),
    made,
  );
};

const erasing = (query) => {
  const done = el('div', { role: 'status' });
  return section(
    'Forget a person',
    form({
      label: 'Forget a person',
      fields: whom(query),
      submit: 'Forget them',
      danger: true,
      act: async (values, node) => {
        const body = person(values);
        if (
          !(await confirmed(
            'Forget this person for good?',
            `All that is held about ${body.email ?? body.session_id ?? 'them'} is erased, also from what a restored backup would bring back. Nobody can undo it.`,
            'Forget them',
          ))
        )
          return;
        const receipt = await own('POST', '/api/gdpr/delete', { body });
        node.reset();
        put(
          done,
          el(
            'div',
            { class: 'box note' },
            el('p', {}, 'Erased on ', when(receipt.erased_at), '. This receipt proves it; the person may have it.'),
            once('receipt', receipt.receipt),
          ),
        );
        say('The person is forgotten.');
      },
    }),
    done,
  );
};

const checking = () => {
  const told = el('div', { role: 'status' });
  return section(
    'Check a receipt',
    form({
      label: 'Check a receipt',
      submit: 'Check it',
      fields: [field({ name: 'receipt', label: 'Receipt', type: 'textarea', required: true, dir: 'ltr' })],
      act: async ({ receipt }) => {
        const found = await own('POST', '/api/gdpr/verify', { body: { receipt: receipt.trim() } });
        put(
          told,
          el(
            'p',
            { class: found.valid ? 'box note' : 'box bad' },
            found.valid ? ['It is ours: erased on ', when(found.erased_at), '.'] : 'It is not a receipt of this customer’s.',
          ),
        );
      },
    }),
    told,
  );
};

export const privacy = {
  title: 'Privacy requests',
  tenant: true,
  needs: 'decide',
  show: ({ main, query, signal }) =>
    put(
      main,
      el('p', { class: 'lead' }, 'Make sure that whoever asks is the person before you send anything.'),
      exporting(query, signal),
      erasing(query),
      checking(),
    ),
};
