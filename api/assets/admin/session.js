// Who is signed in, for which customer they look, and what their role allows. The server decides; what stands here only keeps from offering what
// it would refuse (docs/API.md, People).
import { call, get, keepToken } from './api.js';

const RANKS = { viewer: 0, editor: 1, owner: 2 };
const DEVICE = 'omniops.device';

// `ended` once a session has ended by itself.
export const session = { user: null, customer: null, ended: false };

// Whether the role allows it: `work` with content, `decide` about access, or `rule` the installation.
export const may = (what) => {
  const { user } = session;
  if (!user) return false;
  if (what === 'rule') return user.installation;
  return RANKS[user.role] >= { look: 0, work: 1, decide: 2 }[what];
};

// A session that has begun, was renewed, or was found.
export const enter = ({ csrf_token: token, user }) => {
  keepToken(token);
  if (user) session.user = user;
  session.ended = false;
};
export const leave = () => {
  keepToken('');
  session.user = null;
  session.customer = null;
};

// What tells the server that this device has signed in before, so that strangers' failures don't lock it out. It opens nothing.
export const device = {
  get: () => {
    try {
      return localStorage.getItem(DEVICE) ?? undefined;
    } catch {
      return undefined;
    }
  },
  set: (text) => {
    try {
      localStorage.setItem(DEVICE, text);
    } catch {
      // Without storage every sign-in is one from a new device.
    }
  },
};

// The customer of the address, else the only one there is.
export const chooseCustomer = async (wanted, signal) => {
  if (session.customer && (!wanted || session.customer.id === wanted)) return session.customer;
  if (wanted) session.customer = await get(`/api/customers/${encodeURIComponent(wanted)}`, {}, signal);
  else {
    const { items } = await get('/api/customers', { limit: 2 }, signal);
    session.customer = items.length === 1 ? items[0] : null;
  }
  return session.customer;
};

// Calls for the chosen customer.
export const own = (method, path, options = {}) => call(method, path, { ...options, query: { customer_id: session.customer.id, ...options.query } });
export const read = (path, query, signal) => own('GET', path, { query, signal });

// The customer's home page; a site on this machine, as of a trial, has no TLS.
export const home = () => `${/^(localhost|127\.|\[::1\])/.test(session.customer.domain) ? 'http' : 'https'}://${session.customer.domain}/`;

// The address of a view, for the customer that is looked at.
export const to = (path, query = {}) => {
  const parameters = new URLSearchParams();
  if (session.customer) parameters.set('customer_id', session.customer.id);
  for (const [name, value] of Object.entries(query)) if (value) parameters.set(name, value);
  const text = parameters.toString();
  return `/admin${path}${text && `?${text}`}`;
};
