// The panel's frame: launcher, head, log and form.
const title = el('h2', { id: 'title' });
const sub = el('p', { className: 'sub' });
const closer = el('button', { type: 'button', className: 'close' }, icon(CROSS));
const log = el('div', { className: 'log', role: 'log', 'aria-live': 'off', 'aria-labelledby': 'title', tabIndex: 0 });
const label = el('label', { className: 'sr', htmlFor: 'message' });
const field = el('textarea', { id: 'message', rows: 1, enterKeyHint: 'send', 'aria-describedby': 'count' });
const sender = el('button', { type: 'submit', className: 'send' }, icon(SEND));
const stopper = el('button', { type: 'button', className: 'stop', hidden: true }, icon(STOP));
const form = el('form', {}, label, field, sender, stopper);
const count = el('p', { className: 'count', id: 'count' });
const status = el('div', { className: 'sr', role: 'status' });
const panel = el(
  'section',
  { className: 'panel', id: 'panel', role: 'dialog', 'aria-labelledby': 'title', hidden: true },
  el('div', { className: 'head' }, el('span', { className: 'face' }, icon(BUBBLE)), el('div', {}, title, sub), closer),
  log,
  form,
  count,
  status,
);
const launcher = el(
  'button',
  { type: 'button', className: 'launch', 'aria-expanded': 'false', 'aria-haspopup': 'dialog', 'aria-controls': 'panel' },
  icon(BUBBLE, 'i0'),
  icon(CROSS, 'i1'),
);
const root = el('div', { className: 'root' }, panel, launcher);
const host = el('omniops-widget');
const shadow = host.attachShadow({ mode: 'open' });
shadow.adoptedStyleSheets = [baseSheet, themeSheet];
shadow.append(root);

let texts = {};
const relabel = () => {
  root.lang = locale;
  root.dir = /ar|he/.test(locale) ? 'rtl' : 'ltr';
  title.textContent = texts.title || session?.name || t.title;
  launcher.setAttribute('aria-label', title.textContent);
  sub.textContent = texts.subtitle || t.sub;
  label.textContent = field.placeholder = texts.placeholder || t.label;
  for (const [button, name] of [[closer, t.close], [sender, t.send], [stopper, t.stop]]) {
    button.setAttribute('aria-label', name);
    button.title = name;
  }
};
