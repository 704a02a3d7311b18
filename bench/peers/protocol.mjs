// What every peer's program has in common with `bench/src/contender`: the command line, the clock, how jobs are published
// and how started jobs are counted. `PROGRAM ROLE JSON`, answers as JSON lines; see bench/src/protocol.rs for the fields.
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';

export const role = process.argv[2];
export const order = JSON.parse(process.argv[3]);

// Microseconds since 1970; Date.now() would cut to whole ms.
export const now = () => (performance.timeOrigin + performance.now()) * 1000;

export const emit = (line) => writeSync(1, JSON.stringify(line) + '\n');
const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

// The data of a job: the same four fields as an errand of ours.
const customer = randomUUID();
const job = () => ({ job: randomUUID(), kind: 'scrape', customer, version: 1 });

// Publishes as ordered: `one(data)` and `many(list of data)` resolve when the store has taken them.
export async function publish(one, many) {
  const { how, jobs, batch = 500, width = 16, gaps = [] } = order;
  if (how === 'paced') {
    for (const gap of gaps) {
      await pause(gap);
      const data = job();
      const at = now();
      await one(data);
      emit({ event: 'sent', id: data.job, at });
    }
    return emit({ event: 'published', jobs: gaps.length, seconds: 0 });
  }
  const begun = now();
  if (how === 'none') {
    // The queue is set up.
  } else if (how === 'single') {
    for (let i = 0; i < jobs; i++) await one(job());
  } else if (how === 'concurrent') {
    let left = jobs;
    const lane = async () => {
      while (left-- > 0) await one(job());
    };
    await Promise.all(Array.from({ length: width }, lane));
  } else {
    for (let left = jobs; left > 0; left -= batch) await many(Array.from({ length: Math.min(batch, left) }, job));
  }
  emit({ event: 'published', jobs, seconds: (now() - begun) / 1e6 });
}

// To be called at the start of each job; does what the order says a job does.
let started = 0;
export async function handle(data) {
  const at = now();
  started += 1;
  if (order.trace) emit({ event: 'start', id: data.job, at });
  if (started === order.mark) emit({ event: 'marked', at });
  if (started === order.jobs) emit({ event: 'handled', at });
  if (order.hold_ms) await pause(order.hold_ms);
}

export const ready = () => emit({ event: 'ready' });

// A worker ends with the driver.
if (role === 'work') process.stdin.on('end', () => process.exit(0)).resume();
