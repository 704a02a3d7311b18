// What several views are made of: messages, deeds, dialogs, lists and bars.
import { el, id, put, svg } from './dom.js';
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
    const dialog = el('dialog', { 'aria-labelledby': label, cancel: end(false) },
      el('h2', { id: label }, title), el('p', {}, text),
      el('div', { class: 'row' },
        el('button', { type: 'button', class: 'button danger', click: end(true) }, yes),
        el('button', { type: 'button', class: 'button', click: end(false) }, 'Keep it as it is')));
    document.body.append(dialog);
    dialog.showModal();
  });

// A dialog that shows something and is closed.
export const shown = (title, ...kids) => {
  const label = id('dialog');
  const close = () => dialog.remove();
  const dialog = el('dialog', { 'aria-labelledby': label, cancel: close },
    el('h2', { id: label }, title), ...kids,
    el('div', { class: 'row' }, el('button', { type: 'button', class: 'button', click: close }, 'Close')));
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
  const copy = deed('Copy', async () => {
    await navigator.clipboard.writeText(text);
    say('Copied.');
  }, { label: `Copy ${label}` });
  return el('div', { class: 'once' }, el('code', { dir: 'ltr', 'aria-label': label }, text), navigator.clipboard ? copy : null);
};

const GOOD = new Set(['done', 'verified', 'active', 'alive', 'delivered', 'ok', 'passed', 'resolved']);
const BAD = new Set(['failed', 'dead', 'lost', 'overdue', 'down', 'waiting', 'needs_confirmation', 'failing']);
export const badge = (state, kind = GOOD.has(state) ? 'good' : BAD.has(state) ? 'warn' : '') => el('span', { class: `badge ${kind}` }, words(state));

export const facts = (...pairs) =>
  el('dl', { class: 'facts' }, pairs.filter(Boolean).map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', { dir: 'auto' }, value))));

export const empty = (text, ...next) => el('div', { class: 'box empty' }, el('p', {}, text), next);
export const section = (title, ...kids) => {
  const label = id('section');
  return el('section', { 'aria-labelledby': label }, el('h2', { id: label }, title), ...kids);
};

// A table that a narrow screen shows as cards; the roles keep it a table for screen readers there. `columns` are [title, draw(item)].
export const table = (caption, columns, items) => {
  const rows = el('tbody', { role: 'rowgroup' });
  const row = (item) => el('tr', { role: 'row' }, columns.map(([title, draw]) => el('td', { role: 'cell', 'data-label': title }, el('div', {}, draw(item)))));
  const head = el('tr', { role: 'row' }, columns.map(([title]) => el('th', { scope: 'col', role: 'columnheader' }, title)));
  const node = el('table', { role: 'table' }, el('caption', { class: 'sr' }, caption), el('thead', { role: 'rowgroup' }, head), rows);
  const add = (more) => rows.append(...more.map(row));
  add(items ?? []);
  return { node, add };
};

// A list of the API, page by page. `load(cursor)` gives {items, next_cursor}, `draw(items)` a {node, add(items)} of what came first. `reload` begins
// anew; `refresh` does so unless somebody is at work in the list.
export const paged = ({ load, draw, none }) => {
  const node = el('div', { 'aria-busy': 'true' }, el('p', { class: 'mute' }, 'Loading …'));
  let extended = false;
  const trouble = (problem) => put(node, el('div', { class: 'box bad', role: 'alert' }, el('p', {}, problem.message), deed('Try again', reload)));
  const reload = async () => {
    node.setAttribute('aria-busy', 'true');
    extended = false;
    try {
      const first = await load();
      if (!first.items.length) {
        put(node, none);
        return;
      }
      const drawn = draw(first.items);
      let cursor = first.next_cursor;
      const more = deed('Show more', async () => {
        extended = true;
        const next = await load(cursor);
        drawn.add(next.items);
        cursor = next.next_cursor;
        more.hidden = !cursor;
      });
      more.hidden = !cursor;
      put(node, drawn.node, more);
    } catch (problem) {
      if (problem.name !== 'AbortError') trouble(problem);
    } finally {
      node.removeAttribute('aria-busy');
    }
  };
  const refresh = () => (extended || node.contains(document.activeElement) || node.querySelector('details[open]') ? null : reload());
  reload();
  return { node, reload, refresh };
};

// Bars with their figures in words: `rows` are [label, value, text]. `limits` are [value, label] of lines across.
export const bars = (title, rows, limits = []) => {
  const [width, height, gap] = [600, 140, 2];
  const top = Math.max(1e-9, ...rows.map(([, value]) => value), ...limits.map(([value]) => value));
  const step = width / Math.max(rows.length, 1);
  const y = (value) => height - (value / top) * (height - 8);
  const drawn = rows.map(([label, value, text], i) =>
    svg('rect', { class: 'bar', x: i * step + gap / 2, y: y(value), width: Math.max(1, step - gap), height: height - y(value), rx: 2 }, svg('title', {}, `${label}: ${text}`)));
  const lines = limits.map(([value]) => svg('line', { class: 'limit', x1: 0, x2: width, y1: y(value), y2: y(value) }));
  const caption = id('bars');
  return el('figure', {},
    el('figcaption', { id: caption }, title),
    svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-labelledby': caption, preserveAspectRatio: 'none', class: 'bars' }, drawn, lines),
    limits.map(([, label]) => el('p', { class: 'hint' }, label)),
    el('details', {}, el('summary', {}, 'As a table'), table(title, [['Day', ([label]) => label], ['Figure', ([, , text]) => text]], rows).node));
};

// Links that choose between variants of a view; the current one is said.
export const tabs = (label, items) =>
  el('nav', { class: 'tabs', 'aria-label': label }, el('ul', {}, items.map(([text, href, current]) => el('li', {}, el('a', { href, 'aria-current': current ? 'page' : null }, text)))));

// Filters that stand in the address: `fields` by name, gathered into the view's query.
export const filters = (go, path, fields, label = 'Filters') => {
  const node = el('form', { class: 'filters', role: 'search', 'aria-label': label }, fields.map((known) => known.node), el('button', { class: 'button' }, 'Show'));
  node.addEventListener('submit', (event) => {
    event.preventDefault();
    go(path, Object.fromEntries(fields.map((known) => [known.name, known.read()])));
  });
  return node;
};
