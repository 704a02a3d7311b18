// BullMQ over the driver's Valkey. `keep` says whether ended jobs stay: they do where BullMQ is the record of jobs, and go
// where only delivery is measured.
import { Redis } from 'ioredis';
import { Queue, Worker } from 'bullmq';
import { handle, order, publish, ready, role } from './protocol.mjs';

const connection = new Redis({ path: order.redis_socket, maxRetriesPerRequest: null });
const removeOnComplete = order.keep ? false : { count: 0 };

if (role === 'publish') {
  const queue = new Queue(order.queue, { connection, defaultJobOptions: { removeOnComplete } });
  await queue.waitUntilReady();
  await publish(
    (data) => queue.add('scrape', data),
    (list) => queue.addBulk(list.map((data) => ({ name: 'scrape', data }))),
  );
  process.exit(0);
}

const worker = new Worker(order.queue, ({ data }) => handle(data), {
  connection,
  concurrency: order.concurrency,
  lockDuration: order.lease_ms,
  // As often as ours looks for orphans. BullMQ needs two looks: one that marks, one that takes.
  stalledInterval: Math.round(order.lease_ms / 6),
  maxStalledCount: 10,
  removeOnComplete,
});
worker.on('error', (error) => console.error(error.message));
await worker.waitUntilReady();
ready();
