// The Omniops chat widget. The server joins these files, in the order of api/src/assets/widget.rs, into one script without a
// build step: `/embed.js`. They share one scope, so a name of an earlier file is known in all later ones.
//
//   <script async src="https://help.example/embed.js" data-domain="shop.example"></script>
//
// Optional: data-domain (default: the page's host), data-lang, data-color (#rrggbb), data-position (left, right),
// data-mode (light, dark). Calls queue before the script has loaded: (window.OmniopsQ ||= []).push(['ask', 'Hello?']).
//
// What must stay true:
// - No request and no storage before the panel is opened. Opening it asks for a session, which is put in
//   sessionStorage with the first message. Requests go to the script's origin only, without cookies.
// - Text becomes DOM by text nodes alone: the widget needs `script-src` and `connect-src` of the host's CSP and runs
//   under Trusted Types. Links lead to http(s) or mailto addresses.
// - The page can read an open shadow root: nothing secret is kept here.
// - Comments are whole lines and no literal spans lines, so that the server may drop comments and indentation.

const script = document.currentScript || document.querySelector('script[src*="/embed.js"]');
if (window.Omniops?.ask || !script || !('replaceSync' in CSSStyleSheet.prototype)) return;
const origin = new URL(script.src).origin;
const settings = script.dataset;
const domain = settings.domain || location.host;
const MAX_CHARS = 2000;
const COUNT_FROM = 1800;
const SILENCE_MS = 60000;
const STORE_KEY = 'omniops:' + domain;
