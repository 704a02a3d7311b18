// One page: its text as it is indexed, and the answers that cite it.
import { el, out, put } from './dom.js';
import { number, shortened, when } from './format.js';
import { paged, table } from './lists.js';
import { badge, deed, empty, facts, say, section } from './parts.js';
import { standing } from './pages.js';
import { may, own, read, to } from './session.js';

const answers = (id, signal) =>
  paged({
    load: (cursor) => read(`/api/pages/${id}/answers`, { limit: 25, cursor }, signal),
    draw: (items) =>
      table(
        'Answers that cite it',
        [
          ['Question', (row) => el('a', { href: to(`/conversations/${row.conversation_id}`), dir: 'auto' }, row.question)],
          ['Answer', (row) => el('span', { dir: 'auto' }, shortened(row.answer, 240))],
          ['State', (row) => (row.outdated ? badge('outdated', 'warn') : badge('current', 'good'))],
          ['When', (row) => when(row.created_at)],
        ],
        items,
      ),
    none: empty('No answer has cited it.'),
  });

export const page = {
  title: 'Page',
  tenant: true,
  show: async ({ main, id, signal, name }) => {
    const path = `/api/pages/${id}`;
    const top = el('div');
    const again = async () => {
      const found = await read(path, {}, signal);
      name(found.title || found.url);
      const act = (method, rest, told) => async () => {
        await own(method, `${path}${rest}`);
        say(told);
        await again();
      };
      const gone = found.tombstoned_at;
      const question = [
        'Keep this page out of answers?',
        'It stops answering at once, with the pages that say the same. No crawl brings it back; you can.',
        'Keep it out',
      ];
      put(
        top,
        el('p', { class: 'row' }, standing(found), out(found.url)),
        may('work') &&
          el(
            'div',
            { class: 'row' },
            gone
              ? deed('Let it answer again', act('POST', '/restore', 'It answers again.'), { kind: 'first' })
              : deed('Keep it out of answers', act('DELETE', '', 'It is out of every answer.'), { kind: 'danger', ask: question }),
          ),
        facts(
          ['Read', when(found.fetched_at)],
          ['HTTP status', number(found.status)],
          ['Language', found.language ?? '–'],
          ['Version', `${number(found.version)}, indexed ${number(found.indexed_version)}`],
          gone && ['Out since', when(gone)],
          found.duplicate_of && ['Says the same as', el('a', { href: to(`/pages/${found.duplicate_of}`) }, 'another page')],
        ),
        section('Text', el('pre', { dir: 'auto', tabindex: '0', role: 'region', 'aria-label': 'The page’s text' }, found.markdown)),
      );
    };
    await again();
    put(main, top, section('Answers that cite it', answers(id, signal).node));
  },
};
