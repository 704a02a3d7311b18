// One job, live: how far it is, what it brought, what can be done about it, and of a crawl what it decided about each URL.
import { el, put } from './dom.js';
import { duration, number, when, words } from './format.js';
import { explain } from './explain.js';
import { badge, deed, facts, say, section } from './parts.js';
import { may, own, read, to } from './session.js';
import { follow } from './stream.js';

const ENDED = new Set(['done', 'failed', 'dead', 'cancelled']);
const FIGURES = [
  'urls',
  'pages',
  'new',
  'changed',
  'unchanged',
  'gone',
  'failed',
  'blocked',
  'redirected',
  'skipped',
  'duplicate',
  'chunks',
  'chunks_embedded',
  'tokens_saved',
];

const figures = (values) => {
  const known = FIGURES.filter((name) => typeof values?.[name] === 'number').map((name) => [words(name), number(values[name])]);
  if (values?.ms !== undefined) known.push(['took', duration(values.ms)]);
  const raw =
    Object.keys(values ?? {}).length > known.length &&
    el('details', {}, el('summary', {}, 'All that is known'), el('pre', { dir: 'ltr' }, JSON.stringify(values, null, 2)));
  return known.length || raw ? [facts(...known), raw] : el('p', { class: 'mute' }, 'Nothing that is counted.');
};

const deeds = (job, again) => {
  if (!may('work')) return null;
  const act = (verb, told) => async () => {
    await own('POST', `/api/jobs/${job.id}/${verb}`);
    say(told);
    await again();
  };
  const held = job.state === 'needs_confirmation';
  return el(
    'div',
    { class: 'row' },
    held &&
      deed('Let it go on', act('confirm', 'It goes on.'), {
        kind: 'first',
        ask: ['Let this job go on?', 'What is listed above then holds for every answer.', 'Let it go on'],
      }),
    !ENDED.has(job.state) &&
      !job.cancel_requested &&
      deed('Cancel', act('cancel', 'It was asked to stop.'), {
        kind: 'danger',
        ask: ['Cancel this job?', 'What it has stored so far stays.', 'Cancel the job'],
      }),
    ['failed', 'dead', 'cancelled'].includes(job.state) && deed('Run it again', act('retry', 'It is queued again.'), { kind: 'first' }),
  );
};

// What a held job waits for, in words where they are known.
const heldFor = ({ held } = {}) => {
  if (!held) return null;
  const examples = (held.examples ?? []).map((example) =>
    el('li', { dir: 'ltr' }, typeof example === 'string' ? example : (example.url ?? JSON.stringify(example))),
  );
  const lost = (held.golden?.lost ?? []).map((question) => el('li', { dir: 'auto' }, question.question ?? JSON.stringify(question)));
  return el(
    'div',
    { class: 'box note' },
    el('h2', {}, 'A person has to say whether this goes on'),
    held.lost > 0 && el('p', {}, `${number(held.lost)} of ${number(held.live)} pages would answer no more.`),
    examples.length > 0 && el('ul', {}, examples),
    lost.length > 0 && [el('p', {}, 'Golden questions that would be lost:'), el('ul', {}, lost)],
    el('details', {}, el('summary', {}, 'All that is known'), el('pre', { dir: 'ltr' }, JSON.stringify(held, null, 2))),
  );
};

const moving = ({ state, progress, cancel_requested: stopping }) => {
  if (ENDED.has(state) || state === 'needs_confirmation') return null;
  const { done = 0, total = 0, phase, pages_per_second: pace, eta_seconds: eta, waits, discovering } = progress ?? {};
  const told = [
    total > 0 && `${number(done)} of ${number(total)}${discovering ? ', and more are being found' : ''}`,
    phase && words(phase),
    pace > 0 && `${number(Math.round(pace * 10) / 10)} pages a second`,
    eta > 0 && `about ${duration(eta * 1000)} left`,
    waits && `waits: ${words(waits.reason)}`,
    stopping && 'stopping',
  ].filter(Boolean);
  return el(
    'div',
    { class: 'box' },
    el('progress', { max: total || 1, value: total ? done : 0, 'aria-label': 'Progress' }),
    el('p', {}, told.join(' · ') || 'Waiting for a worker'),
  );
};

export const job = {
  title: 'Job',
  tenant: true,
  show: async ({ main, id, query, go, signal, name }) => {
    const path = `/api/jobs/${id}`;
    let known = await read(path, {}, signal);
    name(`${words(known.kind)} ${known.id.slice(-6)}`);
    const top = el('div');
    const said = el('p', { class: 'sr', role: 'status' });
    const listed = el('div');
    let explained;
    const draw = () => {
      const { state, error } = known;
      put(
        top,
        el('p', { class: 'row' }, badge(state), el('a', { href: to('/scraping') }, 'All jobs')),
        moving(known),
        heldFor(known.result ?? {}),
        error && el('div', { class: 'box bad' }, el('p', {}, el('strong', {}, words(error.code)), ` ${error.message}`)),
        deeds(known, again),
        facts(
          known.start_url && ['Site', el('span', { dir: 'ltr' }, known.start_url)],
          ['Made', when(known.created_at)],
          known.started_at && ['Began', when(known.started_at)],
          known.finished_at && ['Ended', when(known.finished_at)],
          known.attempts > 0 && ['Failed tries', number(known.attempts)],
        ),
        section(ENDED.has(state) ? 'What it brought' : 'So far', figures(known.result ?? known.progress)),
      );
    };
    const again = async () => {
      const before = known.state;
      known = await read(path, {}, signal);
      // Who reads or presses something in it is not interrupted by a figure that has moved.
      if (before !== known.state) said.textContent = `Now ${words(known.state)}`;
      draw();
      if (ENDED.has(known.state) && !ENDED.has(before)) explained?.reload();
    };
    draw();
    put(main, said, top, listed);
    if (known.kind === 'scrape') explained = explain({ into: listed, path, query, go, signal, here: `/jobs/${id}` });
    const watch = () =>
      follow(`${path}/events`, {
        signal,
        heard: (event, { data }) => {
          if (event === 'progress') {
            known.progress = data;
            if (known.state === 'running' && !top.contains(document.activeElement)) return draw() ?? false;
            if (known.state === 'running') return false;
          }
          again().catch(() => {});
          return ENDED.has(event);
        },
      });
    if (!ENDED.has(known.state)) watch();
  },
};
