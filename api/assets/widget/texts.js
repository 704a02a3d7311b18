// Texts: KEYS and TEXTS come from locales/*.json, one line a locale with its words in the order of KEYS. They are what is said
// before there is a session, which brings the others.
let locale;
let t;
// Takes the first locale that has texts; `pt-BR` counts as `pt`.
const choose = (...tags) => {
  locale = tags.map((tag) => (tag || '').slice(0, 2).toLowerCase()).find((tag) => Object.hasOwn(TEXTS, tag)) || 'en';
  const words = TEXTS[locale].split('|');
  t = Object.fromEntries(KEYS.map((key, i) => [key, words[i]]));
};
const pageLang = document.documentElement.lang;
choose(settings.lang, pageLang, navigator.language);
