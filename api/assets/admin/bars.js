// Figures over time, as bars and in words.
import { el, id, svg } from './dom.js';
import { table } from './lists.js';

// Bars with their figures in words: `rows` are [label, value, text]. `limits` are [value, label] of lines across.
export const bars = (title, rows, limits = []) => {
  const [width, height, gap] = [600, 140, 2];
  const top = Math.max(1e-9, ...rows.map(([, value]) => value), ...limits.map(([value]) => value));
  const step = width / Math.max(rows.length, 1);
  const y = (value) => height - (value / top) * (height - 8);
  const drawn = rows.map(([label, value, text], i) =>
    svg(
      'rect',
      { class: 'bar', x: i * step + gap / 2, y: y(value), width: Math.max(1, step - gap), height: height - y(value), rx: 2 },
      svg('title', {}, `${label}: ${text}`),
    ),
  );
  const lines = limits.map(([value]) => svg('line', { class: 'limit', x1: 0, x2: width, y1: y(value), y2: y(value) }));
  const caption = id('bars');
  return el(
    'figure',
    {},
    el('figcaption', { id: caption }, title),
    svg(
      'svg',
      { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-labelledby': caption, preserveAspectRatio: 'none', class: 'bars' },
      drawn,
      lines,
    ),
    limits.map(([, label]) => el('p', { class: 'hint' }, label)),
    el(
      'details',
      {},
      el('summary', {}, 'As a table'),
      table(
        title,
        [
          ['Day', ([label]) => label],
          ['Figure', ([, , text]) => text],
        ],
        rows,
      ).node,
    ),
  );
};
