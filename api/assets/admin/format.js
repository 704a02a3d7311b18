// Dates, numbers and sizes as the reader's locale has them.
import { el } from './dom.js';

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const days = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' });
const numbers = new Intl.NumberFormat();
const money = new Intl.NumberFormat(undefined, { style: 'currency', currency: 'USD', maximumFractionDigits: 4 });
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

// A moment; the exact time stands in the title.
export const when = (at) => {
  if (!at) return el('span', { class: 'mute' }, 'never');
  const date = new Date(at);
  return el('time', { datetime: at, title: date.toISOString() }, dates.format(date));
};

// How long ago, or how long until.
export const ago = (at) => {
  if (!at) return el('span', { class: 'mute' }, 'never');
  const seconds = (new Date(at) - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  if (Math.abs(seconds) > 30 * 86_400) return when(at);
  return el('time', { datetime: at, title: dates.format(new Date(at)) }, relative.format(Math.round(seconds / size), unit));
};

export const day = (text) => days.format(new Date(`${text}T00:00:00Z`));
export const number = (value) => (value === null || value === undefined ? '–' : numbers.format(value));
export const usd = (value) => money.format(value ?? 0);
export const percent = (share) => new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 }).format(share ?? 0);

export const bytes = (value) => {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 }).format(value / 1000 ** power)} ${units[power]}`;
};

export const duration = (ms) => {
  if (ms === null || ms === undefined) return '–';
  if (ms < 1000) return `${Math.round(ms)}\u00a0ms`;
  const seconds = ms / 1000;
  if (seconds < 90) return `${numbers.format(Math.round(seconds * 10) / 10)}\u00a0s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)}\u00a0min`;
  return `${numbers.format(Math.round(seconds / 360) / 10)}\u00a0h`;
};

// `needs_confirmation` as people read it.
export const words = (text) => String(text ?? '').replaceAll('_', ' ');
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
// The beginning of an answer, without the marks of Markdown's emphasis.
export const shortened = (text, length) => {
  const plain = text.replace(/\*\*(\S[^*]*)\*\*/g, '$1');
  return plain.length > length ? `${plain.slice(0, length)} …` : plain;
};
