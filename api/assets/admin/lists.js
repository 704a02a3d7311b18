// Lists of the API: tables, read page by page, and the filters before them.
import { el, put } from './dom.js';
import { deed } from './parts.js';

// A table that a narrow screen shows as cards; the roles keep it a table for screen readers there. `columns` are [title, draw(item)].
export const table = (caption, columns, items) => {
  const rows = el('tbody', { role: 'rowgroup' });
  const row = (item) =>
    el(
      'tr',
      { role: 'row' },
      columns.map(([title, draw]) => el('td', { role: 'cell', 'data-label': title }, el('div', {}, draw(item)))),
    );
  const head = el(
    'tr',
    { role: 'row' },
    columns.map(([title]) => el('th', { scope: 'col', role: 'columnheader' }, title)),
  );
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

// Filters that stand in the address: `fields` by name, gathered into the view's query.
export const filters = (go, path, fields, label = 'Filters') => {
  const node = el(
    'form',
    { class: 'filters', role: 'search', 'aria-label': label },
    fields.map((known) => known.node),
    el('button', { class: 'button' }, 'Show'),
  );
  node.addEventListener('submit', (event) => {
    event.preventDefault();
    go(path, Object.fromEntries(fields.map((known) => [known.name, known.read()])));
  });
  return node;
};
