// What was read from the connected shops.
import { el, out, put } from './dom.js';
import { field } from './form.js';
import { ago, number, words } from './format.js';
import { filters, paged, table } from './lists.js';
import { badge, deed, empty, shown } from './parts.js';
import { read, to } from './session.js';

// A decimal number with the currency that it is in; as it was read where that is not known.
const price = (amount, currency) => {
  if (amount === null || amount === undefined) return '–';
  try {
    return currency ? new Intl.NumberFormat(undefined, { style: 'currency', currency }).format(amount) : amount;
  } catch {
    return `${amount} ${currency}`;
  }
};

const stock = ({ availability, stock: count }) => [
  availability ? badge(availability, availability === 'in_stock' ? 'good' : '') : '–',
  count !== null && count !== undefined && ` ${number(count)}`,
];

const variants = (product) => async () => {
  const whole = await read(`/api/products/${product.id}`);
  shown(
    product.name,
    whole.variants.length
      ? table(
          'Variants',
          [
            ['Variant', (one) => el('span', { dir: 'auto' }, one.name)],
            ['SKU', (one) => el('span', { dir: 'ltr' }, one.sku ?? '–')],
            ['Price', (one) => price(one.price, product.currency)],
            ['Stock', stock],
          ],
          whole.variants,
        ).node
      : el('p', {}, 'It has no variants.'),
  );
};

export const products = {
  title: 'Products',
  tenant: true,
  show: ({ main, query, go, signal }) => {
    const draw = (items) =>
      table(
        'Products',
        [
          ['Name', (one) => [out(one.url, one.name), one.sku && el('p', { class: 'hint', dir: 'ltr' }, one.sku)]],
          ['Price', (one) => [price(one.price, one.currency), one.price_high && ` – ${price(one.price_high, one.currency)}`]],
          ['Stock', stock],
          ['Read', (one) => ago(one.updated_at)],
          ['Actions', (one) => deed('Variants', variants(one), { label: `Variants of ${one.name}` })],
        ],
        items,
      );
    const list = paged({
      load: (cursor) => read('/api/products', { q: query.q, limit: 50, cursor }, signal),
      draw,
      none: empty(query.q ? `No product is like “${words(query.q)}”.` : 'There are no products.', el('a', { href: to('/shops') }, 'Shops')),
    });
    put(
      main,
      filters(go, '/products', [field({ name: 'q', label: 'Part of the name, or the SKU', value: query.q, maxlength: 200 })], 'Which products'),
      list.node,
    );
  },
};
