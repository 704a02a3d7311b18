// Calls to the server, with the cookie of the session that the browser keeps. The CSRF token lives in this module's memory only; who loads
// the page again is given it anew by /api/admin/me.

let csrf = '';
let ended = () => {};

// What the server refused, or why it could not be asked.
export class Problem extends Error {
  constructor({ status = 0, code = 'unreachable', detail, errors, request_id }, wait = 0) {
    super(detail || 'The server can’t be reached.');
    Object.assign(this, { status, code, errors: errors ?? [], wait, request: request_id });
  }
}

// Takes the token of a session that has begun or was renewed.
export const keepToken = (token) => {
  csrf = token;
};
// Says who is told when the session has ended.
export const onSessionEnd = (listener) => {
  ended = listener;
};

export const query = (values) => {
  const given = Object.entries(values ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = new URLSearchParams(given).toString();
  return text && `?${text}`;
};

// The raw answer, once it is known to be none of a problem.
export const ask = async (method, path, options = {}) => {
  const { body, signal, token, headers } = options;
  let response;
  try {
    response = await fetch(path + query(options.query), {
      method,
      credentials: token ? 'omit' : 'same-origin',
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token ? { authorization: `Bearer ${token}` } : method !== 'GET' && csrf && { 'x-csrf-token': csrf }),
        ...headers,
      },
      body: body && JSON.stringify(body),
      signal,
    });
  } catch (error) {
    throw error.name === 'AbortError' ? error : new Problem({});
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({ detail: `The server answered ${response.status}.` }));
  const problem = new Problem({ ...told, status: response.status }, Number.parseInt(response.headers.get('retry-after'), 10) || 0);
  if (response.status === 401 && !token && path !== '/api/admin/login') ended();
  throw problem;
};

// The answer's JSON; null where there is none.
export const call = async (method, path, options) => {
  const response = await ask(method, path, options);
  return response.status === 204 ? null : response.json();
};
export const get = (path, query, signal) => call('GET', path, { query, signal });
