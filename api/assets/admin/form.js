// Forms: labelled fields, one submission at a time, and refusals shown where they belong.
import { el, id, put } from './dom.js';

const wholeNumber = (text) => (text === '' ? null : Number(text));
const lines = (text) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

const control = ({ type, options, value, name, ...attributes }) => {
  if (type === 'select') {
    const chosen = String(value ?? '');
    return el(
      'select',
      { name, ...attributes },
      options.map(([key, text]) => el('option', { value: key, selected: key === chosen }, text)),
    );
  }
  if (type === 'textarea' || type === 'lines') {
    const text = Array.isArray(value) ? value.join('\n') : (value ?? '');
    return el('textarea', { name, rows: 3, dir: 'auto', ...attributes, defaultValue: text });
  }
  if (type === 'checkbox') return el('input', { type, name, ...attributes, defaultChecked: !!value });
  return el('input', { type: type ?? 'text', name, dir: 'auto', ...attributes, defaultValue: value ?? '' });
};

// A field: { name, label, type, hint, value, options, … }, the rest being attributes. `node` is drawn, `read` gives the value.
export const field = ({ label, hint, ...rest }) => {
  const own = id(rest.name);
  const error = el('p', { class: 'error', id: `${own}-error`, hidden: true });
  const described = [hint && `${own}-hint`, `${own}-error`].filter(Boolean).join(' ');
  const input = control({ ...rest, id: own, 'aria-describedby': described });
  const title = el('label', { for: own }, label, rest.required || rest.type === 'checkbox' ? null : el('span', { class: 'mute' }, ' (optional)'));
  const help = hint && el('p', { class: 'hint', id: `${own}-hint` }, hint);
  const node =
    rest.type === 'checkbox'
      ? el('div', { class: 'field check' }, el('div', {}, input, title), help, error)
      : el('div', { class: 'field' }, title, help, input, error);
  const read = () => {
    if (rest.type === 'checkbox') return input.checked;
    if (rest.type === 'number') return wholeNumber(input.value);
    if (rest.type === 'lines') return lines(input.value);
    return rest.type === 'password' || rest.type === 'textarea' ? input.value : input.value.trim();
  };
  const refuse = (reason) => {
    error.hidden = !reason;
    error.textContent = reason ?? '';
    if (reason) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  };
  return { name: rest.name, node, input, read, refuse };
};

// Counts down on the button until the server takes more.
const rest = (button, text, seconds) => {
  button.disabled = true;
  button.textContent = `Wait ${seconds} s`;
  const timer = setInterval(() => {
    seconds -= 1;
    button.textContent = seconds > 0 ? `Wait ${seconds} s` : text;
    if (seconds > 0) return;
    button.disabled = false;
    clearInterval(timer);
  }, 1000);
};

const explain = (problem, fields) => {
  const elsewhere = [];
  let first;
  for (const { field: name, reason } of problem.errors ?? []) {
    const found = fields.find((known) => known.name === name || name.startsWith(`${known.name}.`) || name.startsWith(`${known.name}[`));
    if (!found) elsewhere.push(`${name} ${reason}`);
    else {
      found.refuse(reason);
      first ??= found.input;
    }
  }
  const told = first && !elsewhere.length ? 'Please look at the marked fields.' : elsewhere.join('; ') || problem.message;
  return { first, told };
};

// A form that calls `act(values)`; what it throws is shown, by field where the server named fields. `more` are fields behind a disclosure;
// `account` is whose password it takes, for password managers.
export const form = ({ fields, more, submit, act, label, danger, extra, account }) => {
  const all = [...fields, ...(more?.fields ?? [])];
  const trouble = el('div', { role: 'alert' });
  const button = el('button', { class: danger ? 'button danger' : 'button first' }, submit);
  const hidden =
    more &&
    el(
      'details',
      {},
      el('summary', {}, more.label),
      more.fields.map((known) => known.node),
    );
  const node = el(
    'form',
    { 'aria-label': label, novalidate: true },
    trouble,
    account && el('input', { type: 'text', autocomplete: 'username', defaultValue: account, readonly: true, hidden: true }),
    fields.map((known) => known.node),
    hidden,
    el('div', { class: 'row' }, button, extra),
  );
  let busy = false;
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (busy || button.disabled) return;
    put(trouble);
    for (const known of all) known.refuse(null);
    const wrong = all.find((known) => !known.input.checkValidity());
    if (wrong) {
      wrong.refuse(wrong.input.validationMessage);
      if (hidden?.contains(wrong.input)) hidden.open = true;
      wrong.input.focus();
      return;
    }
    busy = true;
    button.setAttribute('aria-busy', 'true');
    try {
      await act(Object.fromEntries(all.map((known) => [known.name, known.read()])), node);
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      const { first, told } = explain(problem, all);
      if (hidden?.contains(first)) hidden.open = true;
      put(trouble, el('p', { class: 'box bad' }, told));
      first?.focus();
      if (problem.wait) rest(button, submit, problem.wait);
    } finally {
      busy = false;
      button.removeAttribute('aria-busy');
    }
  });
  return node;
};
