// pg-boss over the driver's Postgres, in two ways: `work` with the fastest settings that its types document, and `fetch`, a
// loop of fetch(batch) and complete(batch) without any pause.
import { PgBoss } from 'pg-boss';
import { handle, order, publish, ready, role } from './protocol.mjs';

const boss = new PgBoss({
  host: order.postgres_host,
  user: 'postgres',
  database: order.database,
  // Twice its default, so that 16 publishers at once need not queue up for a connection.
  max: 20,
  useListenNotify: role === 'work' && order.api === 'work',
  // What looks for jobs of lost workers, as often as it can be told to.
  superviseIntervalSeconds: 1,
  monitorIntervalSeconds: 1,
  queueCacheIntervalSeconds: 1,
  schedule: false,
});
boss.on('error', (error) => console.error(error.message));
boss.on('warning', () => {});
await boss.start();

const { queue, concurrency } = order;
if (role === 'publish') {
  await boss.createQueue(queue, {
    notify: order.api === 'work',
    expireInSeconds: Math.round(order.lease_ms / 1000),
    retryLimit: 10,
    retryDelay: 0,
  });
  await publish(
    (data) => boss.send(queue, data),
    (list) => boss.insert(queue, list.map((data) => ({ data }))),
  );
  process.exit(0);
}

const all = (jobs) => Promise.all(jobs.map(({ data }) => handle(data)));
if (order.api === 'work') {
  const lanes = order.lanes ?? 1;
  await boss.work(
    queue,
    {
      batchSize: Math.max(1, Math.floor(concurrency / lanes)),
      localConcurrency: lanes,
      pollingIntervalSeconds: 0.5,
      notifyPollingIntervalSeconds: 0.5,
      burstWhenBatchFull: true,
      burstWhenReadyExceeds: 1,
    },
    all,
  );
  ready();
} else {
  const lanes = order.lanes ?? 1;
  const lane = async () => {
    for (;;) {
      const jobs = await boss.fetch(queue, { batchSize: Math.max(1, Math.floor(concurrency / lanes)) });
      if (jobs.length === 0) continue;
      await all(jobs);
      await boss.complete(queue, jobs);
    }
  };
  ready();
  await Promise.all(Array.from({ length: lanes }, lane));
}
