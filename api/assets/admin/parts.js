// What several views are made of: messages, deeds, dialogs and states.
import { el, id } from './dom.js';
import { words } from './format.js';

// Says something to everybody: seen, and read out. What went well goes by itself; what went wrong stays until it was read.
const tell = (text, kind, ...more) => {
  const toast = el('div', { class: `toast ${kind}` }, el('span', {}, text), more);
  document.getElementById('toasts').append(toast);
  document.getElementById('said').textContent = text;
  return toast;
};
export const say = (text) => {
  const toast = tell(text, '');
  setTimeout(() => toast.remove(), 6000);
};
export const complain = (problem) => {
  if (problem.name === 'AbortError') return;
  const close = el('button', { type: 'button', 'aria-label': 'Close this message', click: () => toast.remove() }, '×');
  const toast = tell(problem.message, 'bad', close);
};

// Asks before something that can't be taken back.
export const confirmed = (title, text, yes) =>
  new Promise((decide) => {
    const label = id('dialog');
    const end = (answer) => () => {
      decide(answer);
      dialog.remove();
    };
    const dialog = el(
      'dialog',
      { 'aria-labelledby': label, cancel: end(false) },
      el('h2', { id: label }, title),
      el('p', {}, text),
      el(
        'div',
        { class: 'row' },
        el('button', { type: 'button', class: 'button danger', click: end(true) }, yes),
        el('button', { type: 'button', class: 'button', click: end(false) }, 'Keep it as it is'),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });

// A dialog that shows something and is closed.
export const shown = (title, ...kids) => {
  const label = id('dialog');
  const close = () => dialog.remove();
  const dialog = el(
    'dialog',
    { 'aria-labelledby': label, cancel: close },
    el('h2', { id: label }, title),
    ...kids,
    el('div', { class: 'row' }, el('button', { type: 'button', class: 'button', click: close }, 'Close')),
  );
  document.body.append(dialog);
  dialog.showModal();
};

// A button for a deed. `ask` is [title, text, yes] of the question before it.
export const deed = (text, act, { ask, kind = '', label } = {}) => {
  const button = el('button', { type: 'button', class: `button small ${kind}`, 'aria-label': label }, text);
  button.addEventListener('click', async () => {
    if (button.getAttribute('aria-busy') || (ask && !(await confirmed(...ask)))) return;
    button.setAttribute('aria-busy', 'true');
    try {
      await act();
    } catch (problem) {
      complain(problem);
    } finally {
      button.removeAttribute('aria-busy');
    }
  });
  return button;
};

// A secret that is shown once, with a button that copies it.
export const once = (label, text) => {
  const copy = deed(
    'Copy',
    async () => {
      await navigator.clipboard.writeText(text);
      say('Copied.');
    },
    { label: `Copy ${label}` },
  );
  return el('div', { class: 'once' }, el('code', { dir: 'ltr', 'aria-label': label }, text), navigator.clipboard ? copy : null);
};

const GOOD = new Set(['done', 'verified', 'active', 'alive', 'delivered', 'ok', 'passed', 'resolved']);
const BAD = new Set(['failed', 'dead', 'lost', 'overdue', 'down', 'waiting', 'needs_confirmation', 'failing']);
export const badge = (state, kind = GOOD.has(state) ? 'good' : BAD.has(state) ? 'warn' : '') => el('span', { class: `badge ${kind}` }, words(state));

export const facts = (...pairs) =>
  el(
    'dl',
    { class: 'facts' },
    pairs.filter(Boolean).map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', { dir: 'auto' }, value))),
  );

export const empty = (text, ...next) => el('div', { class: 'box empty' }, el('p', {}, text), next);
export const section = (title, ...kids) => {
  const label = id('section');
  return el('section', { 'aria-labelledby': label }, el('h2', { id: label }, title), ...kids);
};
