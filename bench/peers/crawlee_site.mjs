// crawlee's CheerioCrawler follows the links of a site; the text is what is left without the usual furniture.
import { CheerioCrawler, Configuration, log } from '@crawlee/cheerio';

const order = JSON.parse(process.argv[2]);
log.setLevel(log.LEVELS.OFF);
// The query variants are known to be the same pages: as the canonical link of each says.
const plain = (request) => {
  const url = request.url.split('?utm_source')[0];
  return { ...request, url, uniqueKey: url };
};
let pages = 0;
let words = 0;
const crawler = new CheerioCrawler(
  {
    maxConcurrency: order.concurrency,
    minConcurrency: order.concurrency,
    async requestHandler({ $, enqueueLinks }) {
      await enqueueLinks({ strategy: 'same-hostname', transformRequestFunction: plain });
      $('script, style, nav, header, footer, aside, noscript').remove();
      pages += 1;
      words += $('body').text().split(/\s+/).length;
    },
  },
  new Configuration({ persistStorage: false }),
);
await crawler.run([order.site]);
console.log(JSON.stringify({ pages, words, at: Date.now() * 1000 }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
