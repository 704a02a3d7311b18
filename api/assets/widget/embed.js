// The Omniops chat widget: one script, no build step, served as it is.
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
// - Comments are whole lines, so that a server may drop them.
(() => {
  'use strict';
  const script = document.currentScript || document.querySelector('script[src*="/embed.js"]');
  if (window.Omniops?.ask || !script || !('replaceSync' in CSSStyleSheet.prototype)) return;
  const origin = new URL(script.src).origin;
  const settings = script.dataset;
  const domain = settings.domain || location.host;
  const MAX_CHARS = 2000;
  const COUNT_FROM = 1800;
  const SILENCE_MS = 60000;
  const STORE_KEY = 'omniops:' + domain;

  // Texts

  const KEYS =
    'close|title|sub|label|send|stop|you|bot|wait|sources|hello|err|busy|off|retry|contact|up|down|thanks|why|cut|tab|in|out'.split('|');
  const TEXTS = {
    en: 'Close chat|Customer service|Automatic answers from our pages|Type your question|Send|Stop|You|Assistant|Assistant is typing|Sources|Hello! What would you like to know?|That did not work.|Many people are asking. Please try again shortly.|The chat is not available here at the moment.|Try again|Contact us|Helpful|Not helpful|Thank you for your feedback.|What was missing?|Stopped|opens in a new tab|In stock|Out of stock',
    de: 'Chat schließen|Kundenservice|Automatische Antworten aus unseren Seiten|Ihre Frage|Senden|Stopp|Sie|Assistent|Assistent schreibt|Quellen|Guten Tag! Was möchten Sie wissen?|Das hat nicht geklappt.|Gerade fragen viele. Bitte gleich noch einmal versuchen.|Der Chat ist hier im Moment nicht verfügbar.|Erneut versuchen|Kontakt aufnehmen|Hilfreich|Nicht hilfreich|Danke für Ihre Rückmeldung.|Was hat gefehlt?|Angehalten|öffnet in neuem Tab|Auf Lager|Nicht auf Lager',
    fr: 'Fermer le chat|Service client|Réponses automatiques tirées de nos pages|Votre question|Envoyer|Arrêter|Vous|Assistant|L’assistant écrit|Sources|Bonjour ! Que souhaitez-vous savoir ?|Cela n’a pas fonctionné.|Beaucoup de demandes. Merci de réessayer dans un instant.|Le chat n’est pas disponible ici pour le moment.|Réessayer|Nous contacter|Utile|Pas utile|Merci pour votre avis.|Que manquait-il ?|Arrêté|ouvre un nouvel onglet|En stock|Épuisé',
    es: 'Cerrar chat|Atención al cliente|Respuestas automáticas de nuestras páginas|Escriba su pregunta|Enviar|Detener|Usted|Asistente|El asistente escribe|Fuentes|¡Hola! ¿Qué le gustaría saber?|No ha funcionado.|Hay muchas consultas ahora. Inténtelo de nuevo en breve.|El chat no está disponible aquí en este momento.|Reintentar|Contactar|Útil|No útil|Gracias por su opinión.|¿Qué faltaba?|Detenido|se abre en otra pestaña|En existencias|Agotado',
    nl: 'Chat sluiten|Klantenservice|Automatische antwoorden uit onze pagina’s|Typ uw vraag|Versturen|Stop|U|Assistent|Assistent typt|Bronnen|Hallo! Wat wilt u weten?|Dat lukte niet.|Er zijn nu veel vragen. Probeer het zo weer.|De chat is hier nu niet beschikbaar.|Opnieuw proberen|Contact opnemen|Nuttig|Niet nuttig|Bedankt voor uw reactie.|Wat ontbrak er?|Gestopt|opent in nieuw tabblad|Op voorraad|Niet op voorraad',
    it: 'Chiudi chat|Servizio clienti|Risposte automatiche dalle nostre pagine|Scriva la sua domanda|Invia|Ferma|Lei|Assistente|L’assistente scrive|Fonti|Salve! Che cosa desidera sapere?|Non ha funzionato.|Molte richieste ora. Riprovi tra poco.|La chat non è disponibile qui al momento.|Riprova|Contattaci|Utile|Non utile|Grazie per il riscontro.|Che cosa mancava?|Interrotto|si apre in una nuova scheda|Disponibile|Esaurito',
    pt: 'Fechar chat|Apoio ao cliente|Respostas automáticas das nossas páginas|Escreva a sua pergunta|Enviar|Parar|Você|Assistente|O assistente está a escrever|Fontes|Olá! O que gostaria de saber?|Não funcionou.|Há muitas perguntas agora. Tente de novo daqui a pouco.|O chat não está disponível aqui neste momento.|Tentar de novo|Contactar|Útil|Não útil|Obrigado pela sua opinião.|O que faltou?|Parado|abre num novo separador|Em stock|Esgotado',
    pl: 'Zamknij czat|Obsługa klienta|Automatyczne odpowiedzi z naszych stron|Wpisz pytanie|Wyślij|Zatrzymaj|Ty|Asystent|Asystent pisze|Źródła|Dzień dobry! O co chcesz zapytać?|Nie udało się.|Teraz pyta wiele osób. Spróbuj ponownie za chwilę.|Czat jest tu chwilowo niedostępny.|Spróbuj ponownie|Kontakt|Pomocne|Niepomocne|Dziękujemy za opinię.|Czego zabrakło?|Zatrzymano|otwiera się w nowej karcie|Dostępny|Niedostępny',
    ar: 'إغلاق المحادثة|خدمة العملاء|إجابات آلية من صفحاتنا|اكتب سؤالك|إرسال|إيقاف|أنت|المساعد|المساعد يكتب|المصادر|مرحبًا! ماذا تود أن تعرف؟|لم ينجح ذلك.|هناك أسئلة كثيرة الآن. حاول مرة أخرى بعد قليل.|المحادثة غير متاحة هنا حاليًا.|حاول مرة أخرى|اتصل بنا|مفيد|غير مفيد|شكرًا على ملاحظتك.|ما الذي كان ناقصًا؟|تم الإيقاف|يفتح في علامة تبويب جديدة|متوفر|غير متوفر',
    he: 'סגירת הצ׳אט|שירות לקוחות|תשובות אוטומטיות מהדפים שלנו|כתבו את השאלה|שליחה|עצירה|אתם|העוזר|העוזר כותב|מקורות|שלום! מה תרצו לדעת?|זה לא הצליח.|יש כרגע שאלות רבות. נסו שוב בעוד רגע.|הצ׳אט אינו זמין כאן כרגע.|נסו שוב|צרו קשר|מועיל|לא מועיל|תודה על המשוב.|מה היה חסר?|נעצר|נפתח בכרטיסייה חדשה|במלאי|אזל מהמלאי',
    ja: 'チャットを閉じる|カスタマーサービス|当サイトのページから自動でお答えします|ご質問を入力|送信|停止|あなた|アシスタント|アシスタントが入力中|出典|こんにちは。何をお知りになりたいですか?|うまくいきませんでした。|現在混み合っています。少し後にもう一度お試しください。|現在ここではチャットをご利用いただけません。|再試行|お問い合わせ|役に立った|役に立たなかった|ご意見ありがとうございます。|何が足りませんでしたか?|停止しました|新しいタブで開きます|在庫あり|在庫なし',
  };
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

  // Looks

  const DARK =
    '--bg:#151a21;--fg:#e9edf2;--mute:#a9b4c2;--soft:#212833;--line:#343d4a;--edge:#7f8b9a;--bad:#ff9f95;--link:var(--link-dark,#8fb8ff)';
  const CSS = `
:host{display:contents}
.root{all:initial;--bg:#fff;--fg:#17212c;--mute:#556170;--soft:#f2f5f8;--line:#dde3ea;--edge:#7a8694;--bad:#b3261e;--a:#1d5fd1;--on:#fff;--link:var(--link-light,#1a56bf);color-scheme:light;font:400 15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;color:var(--fg);position:fixed;z-index:2147483000;bottom:20px;inset-inline-end:20px}
.root.left{left:20px;right:auto}.root.right{right:20px;left:auto}
@media(prefers-color-scheme:dark){.root:not(.light){${DARK};color-scheme:dark}}
.root.dark{${DARK};color-scheme:dark}
*{box-sizing:border-box;font:inherit;color:inherit;margin:0;padding:0}
[hidden]{display:none!important}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
button,.button{cursor:pointer;border:1px solid transparent;background:none;border-radius:10px;min-width:44px;min-height:44px;display:inline-flex;align-items:center;justify-content:center;gap:8px}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
svg{width:22px;height:22px;fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round;flex:none}
a{color:var(--link);text-underline-offset:2px}
.launch{width:58px;height:58px;border-radius:50%;background:var(--a);color:var(--on);box-shadow:0 4px 20px #0005}
.launch:focus-visible{outline:3px solid var(--a);box-shadow:0 0 0 3px var(--on)}
.launch svg{width:27px;height:27px}
.launch[aria-expanded=true] .i0,.launch[aria-expanded=false] .i1{display:none}
.panel{position:absolute;bottom:72px;inset-inline-end:0;width:min(400px,calc(100vw - 40px));height:min(640px,calc(100vh - 112px));display:flex;flex-direction:column;background:var(--bg);border:1px solid var(--line);border-radius:16px;box-shadow:0 10px 48px #0004;overflow:hidden}
.left .panel{left:0;right:auto}.right .panel{right:0;left:auto}
.head{display:flex;align-items:center;gap:12px;padding-block:12px;padding-inline:18px 10px;border-bottom:1px solid var(--line)}
.head>div{flex:1;min-width:0}
.face{width:36px;height:36px;border-radius:50%;background:var(--a);color:var(--on);display:grid;place-items:center}
.face svg{width:20px;height:20px}
h2{font-size:16px;font-weight:600;line-height:1.3;overflow-wrap:anywhere}
.sub,.count,.meta{font-size:13px;color:var(--mute);line-height:1.4}
.close:hover,.thumb:hover,.stop:hover{background:var(--soft)}
.log{position:relative;flex:1;overflow-y:auto;overscroll-behavior:contain;padding:18px;display:flex;flex-direction:column;gap:16px}
.log:focus-visible{outline-offset:-4px}
.msg{overflow-wrap:anywhere;min-width:0}
.user{align-self:flex-end;max-width:85%;background:var(--a);color:var(--on);padding:9px 14px;border:1px solid transparent;border-radius:16px;border-end-end-radius:5px;white-space:pre-wrap}
.text>*+*{margin-top:10px}
.text ul,.text ol{padding-inline-start:22px}.text li+li{margin-top:4px}
.text ol{list-style:decimal}.text ul{list-style:disc}
strong{font-weight:600}
code{font:13px/1.5 ui-monospace,Consolas,Menlo,monospace;background:var(--soft);border-radius:5px;padding:1px 5px}
pre{background:var(--soft);border-radius:10px;padding:10px 12px;overflow-x:auto;white-space:pre}
pre code{background:none;padding:0}
.cite{font-size:12px;font-weight:600;text-decoration:none;background:var(--soft);border-radius:6px;padding:1px 5px;margin-inline-end:1px;white-space:nowrap}
.calm{background:var(--soft);border-radius:12px;padding:12px 14px}.text:not(:empty)+:is(.bad,.list){margin-top:12px}
.bad{border-inline-start:3px solid var(--bad)}
.acts{display:flex;flex-wrap:wrap;align-items:center;gap:8px;margin-top:10px}
.button{padding:0 16px;border-color:var(--edge);background:var(--bg);text-decoration:none;color:var(--fg);font-weight:600}
.button:hover{border-color:var(--fg)}
.list{list-style:none;margin-top:6px;display:grid;gap:6px;grid-template-columns:minmax(0,1fr)}
.list a{display:flex;gap:10px;align-items:center;min-height:44px;padding:7px 12px;border:1px solid var(--line);border-radius:12px;text-decoration:none;color:var(--fg);line-height:1.35}
.list a:hover{border-color:var(--edge);background:var(--soft)}
.list span{min-width:0}.list b{font-weight:600;font-size:14px;display:block}
.list .n{flex:none;font-size:12px;font-weight:600;color:var(--link)}
.list .where{display:block;font-size:13px;color:var(--mute);overflow:hidden;text-overflow:ellipsis;white-space:nowrap;direction:ltr}
[dir=rtl] :is(b,.where){text-align:right}
.price{margin-inline-start:auto;text-align:end;font-size:13px;flex:none}
.meta{margin-top:14px;font-weight:600}
.thumbs{display:flex;gap:2px;margin-top:4px;margin-inline-start:-10px;align-items:center;flex-wrap:wrap}
.thumb{color:var(--mute)}.thumb svg{width:19px;height:19px}.down svg{transform:scaleY(-1)}
.thumb[aria-pressed=true]{color:var(--link)}.thumb[aria-pressed=true] svg{fill:var(--soft)}
.why{display:flex;gap:8px;margin:4px 0 0 10px;width:100%}
.chips{display:flex;flex-direction:column;align-items:flex-start;gap:8px}
.chips button{border-color:var(--edge);padding:8px 14px;border-radius:22px;text-align:start;background:var(--bg)}
.chips button:hover{background:var(--soft)}
form{position:relative;box-shadow:0 -4px 10px 4px var(--bg);display:flex;gap:8px;align-items:flex-end;margin:0 14px;padding:5px;border:1px solid var(--edge);border-radius:16px;background:var(--bg)}
form:focus-within{border-color:var(--link);outline:1px solid var(--link)}
textarea,input{flex:1;min-width:0;resize:none;border:0;background:none;outline:none!important;font-size:16px;line-height:1.4}
textarea{padding:10px 4px 10px 10px;min-height:44px;max-height:132px;overflow-y:auto}
input{border:1px solid var(--edge);border-radius:10px;padding:0 12px;min-height:44px}
input:focus-visible{outline:3px solid var(--link)!important}
::placeholder{color:var(--mute);opacity:1}
.send{background:var(--a);color:var(--on);border-radius:12px}
.send:disabled{background:var(--soft);color:var(--mute);cursor:default}
.stop{border-color:var(--edge);border-radius:12px}.stop svg{fill:currentColor}
.count{padding:6px 20px 0;min-height:14px;text-align:end}.count:not(:empty){padding-bottom:8px}
.over{color:var(--bad);font-weight:600}
.dots{display:flex;gap:5px;padding:8px 0}
.dots i{width:8px;height:8px;border-radius:50%;background:var(--mute);opacity:.55}
@media(prefers-reduced-motion:no-preference){
.panel{animation:rise .18s ease-out}.dots i{animation:dot 1.2s infinite}.dots i:nth-child(2){animation-delay:.15s}.dots i:nth-child(3){animation-delay:.3s}
@keyframes rise{from{opacity:0;transform:translateY(10px)}}@keyframes dot{30%{opacity:1;transform:translateY(-3px)}60%{transform:none}}}
@media(max-width:480px),(max-height:420px){.panel{position:fixed;inset:0;width:auto;height:var(--height,100dvh);bottom:auto;border:0;border-radius:0}.root:has(.panel:not([hidden])) .launch{visibility:hidden}}
@media print{.root{display:none}}`;
  const fullScreen = matchMedia('(max-width:480px),(max-height:420px)');
  const themeSheet = new CSSStyleSheet();
  const baseSheet = new CSSStyleSheet();
  baseSheet.replaceSync(CSS);

  // WCAG 2.2 relative luminance of `#rrggbb`, 0 to 1.
  const luminance = (hex) =>
    [1, 3, 5]
      .map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);

  // Any accent stays readable: the text on it turns dark, and links fall back to the text colour, where it would not be.
  // The script tag's own wishes win over the server's theme.
  const setTheme = (theme) => {
    const { color, position, mode } = { ...theme, ...settings };
    if (/^#[0-9a-f]{6}$/i.test(color || '')) {
      const lum = luminance(color);
      const on = contrast(lum, 1) >= 4.5 ? '#fff' : '#000';
      const link = (ground) => (contrast(lum, luminance(ground)) >= 4.5 ? color : 'var(--fg)');
      themeSheet.replaceSync(
        `.root{--a:${color};--on:${on};--link-light:${link('#f2f5f8')};--link-dark:${link('#212833')}}`,
      );
    }
    for (const side of ['left', 'right']) if (position) root.classList.toggle(side, position.includes(side));
    for (const name of ['light', 'dark']) if (mode) root.classList.toggle(name, mode === name);
  };

  // DOM

  // Makes an element; `props` are properties where the element has them, attributes otherwise.
  const el = (tag, props, ...kids) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props || {})) {
      if (name in node) node[name] = value;
      else node.setAttribute(name, value);
    }
    node.append(...kids.filter((kid) => kid != null));
    return node;
  };
  const icon = (path, className = '') => {
    const make = (tag, attributes) => {
      const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
      for (const name in attributes) node.setAttribute(name, attributes[name]);
      return node;
    };
    const svg = make('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true', class: className });
    svg.append(make('path', { d: path }));
    return svg;
  };
  const BUBBLE = 'M4 11.5C4 7.4 7.6 4 12 4s8 3.4 8 7.5-3.6 7.5-8 7.5c-1 0-2-.2-2.9-.5L4.5 20l1.2-3.7C4.6 15 4 13.3 4 11.5ZM8.5 11.5h.01M12 11.5h.01M15.5 11.5h.01';
  const CROSS = 'M6 6l12 12M18 6L6 18';
  const SEND = 'M12 19V5M6 11l6-6 6 6';
  const STOP = 'M7 7h10v10H7z';
  const THUMB = 'M7 11v8H4v-8h3Zm0 0 4-7c1.2 0 2 .9 2 2v3h4.7c1.3 0 2.2 1.2 1.9 2.4l-1.3 5.5c-.2.7-.9 1.1-1.6 1.1H7';

  // The address if it is http(s), else undefined: a source's URL is never trusted to be harmless.
  const web = (address) => {
    try {
      const url = new URL(address);
      return /^https?:$/.test(url.protocol) ? url : undefined;
    } catch {
      return undefined;
    }
  };
  const link = (url, props, ...kids) =>
    el('a', { href: url.href, target: '_blank', rel: 'noopener', ...props }, ...kids, el('span', { className: 'sr' }, ` (${t.tab})`));

  const title = el('h2', { id: 'title' });
  const sub = el('p', { className: 'sub' });
  const closer = el('button', { type: 'button', className: 'close' }, icon(CROSS));
  const log = el('div', { className: 'log', role: 'log', 'aria-live': 'off', 'aria-labelledby': 'title', tabIndex: 0 });
  const label = el('label', { className: 'sr', htmlFor: 'message' });
  const field = el('textarea', { id: 'message', rows: 1, enterKeyHint: 'send', 'aria-describedby': 'count' });
  const sender = el('button', { type: 'submit', className: 'send' }, icon(SEND));
  const stopper = el('button', { type: 'button', className: 'stop', hidden: true }, icon(STOP));
  const form = el('form', {}, label, field, sender, stopper);
  const count = el('p', { className: 'count', id: 'count' });
  const status = el('div', { className: 'sr', role: 'status' });
  const panel = el(
    'section',
    { className: 'panel', id: 'panel', role: 'dialog', 'aria-labelledby': 'title', hidden: true },
    el('div', { className: 'head' }, el('span', { className: 'face' }, icon(BUBBLE)), el('div', {}, title, sub), closer),
    log,
    form,
    count,
    status,
  );
  const launcher = el(
    'button',
    { type: 'button', className: 'launch', 'aria-expanded': 'false', 'aria-haspopup': 'dialog', 'aria-controls': 'panel' },
    icon(BUBBLE, 'i0'),
    icon(CROSS, 'i1'),
  );
  const root = el('div', { className: 'root' }, panel, launcher);
  const host = el('omniops-widget');
  const shadow = host.attachShadow({ mode: 'open' });
  shadow.adoptedStyleSheets = [baseSheet, themeSheet];
  shadow.append(root);

  let texts = {};
  const relabel = () => {
    root.lang = locale;
    root.dir = /ar|he/.test(locale) ? 'rtl' : 'ltr';
    title.textContent = texts.title || t.title;
    launcher.setAttribute('aria-label', title.textContent);
    sub.textContent = texts.subtitle || t.sub;
    label.textContent = field.placeholder = texts.placeholder || t.label;
    for (const [button, name] of [[closer, t.close], [sender, t.send], [stopper, t.stop]]) {
      button.setAttribute('aria-label', name);
      button.title = name;
    }
  };

  // Formatting

  const INLINE = /`([^`\n]+)`|\*\*(.+?)\*\*|\[([^\]\n]+)\]\((https?:[^\s)]+)\)|\[(\d{1,2}(?:\s*,\s*\d{1,2})*)\]/g;

  // One line's code, bold, links and citations. Addresses that are no source stay plain text.
  const inline = (text, sources) => {
    const nodes = [];
    const cite = (n) => {
      const source = sources.find((s) => String(s.n) === n.trim());
      const url = source && web(source.url);
      return url
        ? link(url, { className: 'cite', 'aria-label': `${t.sources} ${source.n}: ${source.title || url.host} (${t.tab})` }, String(source.n))
        : el('span', { className: 'cite' }, n.trim());
    };
    let at = 0;
    for (const match of text.matchAll(INLINE)) {
      const [all, code, bold, words, address, marks] = match;
      nodes.push(text.slice(at, match.index));
      at = match.index + all.length;
      if (code) nodes.push(el('code', {}, code));
      else if (bold) nodes.push(el('strong', {}, ...inline(bold, sources)));
      else if (words) {
        const known = sources.some((source) => source.url === address) && web(address);
        nodes.push(known ? link(known, {}, words) : words);
      } else nodes.push(...marks.split(',').map(cite));
    }
    nodes.push(text.slice(at));
    return nodes;
  };

  // Paragraphs, lists and fenced code of an answer, as nodes. Unknown markup stays visible as plain text.
  const format = (text, sources) => {
    const blocks = [];
    let open;
    let fence;
    const start = (tag, props) => {
      open = el(tag, { dir: 'auto', ...props });
      blocks.push(open);
    };
    for (const line of text.split(/\r?\n/)) {
      const item = /^\s*(?:[-*•]|(\d{1,3})[.)])\s+(.*)/s.exec(line);
      if (/^\s*```/.test(line)) {
        if (!fence) blocks.push(el('pre', { tabIndex: 0, dir: 'ltr' }, (fence = el('code'))));
        else fence = null;
        open = null;
      } else if (fence) fence.append(line + '\n');
      else if (!line.trim()) {
        if (open?.tagName === 'P') open = null;
      } else if (item) {
        const tag = item[1] ? 'ol' : 'ul';
        if (open?.localName !== tag) start(tag, item[1] ? { start: +item[1] } : {});
        open.append(el('li', {}, ...inline(item[2], sources)));
      } else {
        const heading = /^#{1,6}\s+(.*)/s.exec(line);
        if (open?.lastElementChild?.localName === 'li' && /^\s{2,}/.test(line)) {
          open.lastElementChild.append(' ', ...inline(line.trim(), sources));
          continue;
        }
        if (heading || open?.localName !== 'p') start('p');
        else open.append(el('br'));
        open.append(...(heading ? [el('strong', {}, ...inline(heading[1], sources))] : inline(line, sources)));
        if (heading) open = null;
      }
    }
    return blocks;
  };

  // Server

  let joined;
  let session;
  let conversation;
  const store = (value) => {
    try {
      if (value) sessionStorage.setItem(STORE_KEY, JSON.stringify(value));
      return JSON.parse(sessionStorage.getItem(STORE_KEY));
    } catch {
      return null;
    }
  };
  const send = (path, body, headers, signal) =>
    fetch(origin + path, {
      method: body ? 'POST' : 'GET',
      credentials: 'omit',
      headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
      body: body && JSON.stringify(body),
      signal,
    });
  const checked = async (response) => {
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw { ...problem, status: response.status, wait: parseInt(response.headers.get('retry-after'), 10) || 0 };
  };
  const current = (candidate) => Date.parse(candidate?.expires_at) > Date.now() + 5000;

  // The session that an earlier page of this tab has kept, else a new one.
  const enter = async () => {
    const kept = session ? null : store();
    if (current(kept?.session)) ({ session, conversation } = kept);
    else {
      session = await (await checked(await send('/api/widget/session', { domain }))).json();
      conversation = null;
    }
    texts = session.texts || {};
    if (!settings.lang) choose(session.locale, pageLang, navigator.language);
    setTheme(session.theme);
    relabel();
    return session;
  };
  const join = () => {
    if (session && !current(session)) joined = null;
    joined ||= enter().catch((problem) => {
      joined = null;
      throw problem;
    });
    return joined;
  };

  // Sends with the session's token, which is renewed once if the server refuses it. `body` is asked for each time.
  const authorised = async (path, body, headers, signal, renewed) => {
    const { token } = await join();
    const response = await send(path, body?.(), { authorization: 'Bearer ' + token, ...headers }, signal);
    if (response.status !== 401 || renewed) return checked(response);
    joined = null;
    return authorised(path, body, headers, signal, true);
  };

  // Yields [event, data] of a `text/event-stream` body (WHATWG HTML, section 9.2.6, without ids and retry).
  async function* events(response, alive) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let buffer = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      const blocks = (buffer + value).split(/\r?\n\r?\n/);
      buffer = blocks.pop();
      for (const block of blocks) {
        let event = 'message';
        const data = [];
        for (const line of block.split(/\r?\n/)) {
          const [, name, text] = /^([^:]*):? ?(.*)/s.exec(line);
          if (name === 'event') event = text;
          if (name === 'data') data.push(text);
        }
        if (data.length) yield [event, JSON.parse(data.join('\n'))];
      }
    }
  }

  // Conversation

  const listeners = {};
  const emit = (name, detail) => {
    for (const listener of listeners[name] || []) {
      try {
        listener(detail);
      } catch (error) {
        reportError(error);
      }
    }
  };
  const announce = (text) => (status.textContent = text);

  // Keeps the newest line in view, unless the visitor has scrolled up to read.
  const follow = (change) => {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    const result = change();
    if (near) log.scrollTop = log.scrollHeight;
    return result;
  };
  const bubble = (className, who, ...kids) =>
    el('div', { className: 'msg ' + className }, el('span', { className: 'sr' }, who + ': '), ...kids);
  const mine = (text) => bubble('user', t.you, el('span', { dir: 'auto' }, text));
  const say = (box) => follow(() => log.appendChild(box));
  const dots = () => el('div', { className: 'dots', 'aria-hidden': 'true' }, el('i'), el('i'), el('i'));

  const contactLink = () => {
    const url = web(session?.contact?.url);
    if (url) return link(url, { className: 'button' }, t.contact);
    return /^[^\s@?&]+@[^\s@?&]+$/.test(session?.contact?.email || '')
      ? el('a', { className: 'button', href: 'mailto:' + session.contact.email }, t.contact)
      : null;
  };

  const explain = ({ status: code, wait }) => {
    if (code === 429) return t.busy + (wait ? ` (${wait} s)` : '');
    return [403, 404, 503].includes(code) ? t.off : t.err;
  };

  // Shows what went wrong, with ways to repeat it and to reach a person.
  const apologise = (problem, box, again) => {
    const text = explain(problem);
    const retry = el('button', { type: 'button', className: 'button' }, t.retry);
    const card = el('div', { className: 'calm bad' }, el('p', {}, text), el('div', { className: 'acts' }, retry, contactLink()));
    retry.onclick = () => {
      card.remove();
      field.focus();
      again();
    };
    follow(() => box.append(card));
    announce(text);
    emit('error', { status: problem.status, code: problem.code });
  };

  const sourceList = (sources) =>
    el(
      'ol',
      { className: 'list' },
      ...sources.map((source) => {
        const url = web(source.url);
        if (!url) return null;
        let path = url.host + url.pathname;
        try {
          path = decodeURI(path);
        } catch {
          // A malformed escape is shown as it is.
        }
        const words = el('span', {}, el('b', { dir: 'auto' }, source.title || url.host), el('span', { className: 'where' }, path.replace(/\/$/, '')));
        return el('li', {}, link(url, {}, el('span', { className: 'n' }, String(source.n)), words));
      }),
    );

  const productList = (products) =>
    el(
      'ul',
      { className: 'list' },
      ...products.map((product) => {
        const url = web(product.url);
        let price = product.price ?? '';
        try {
          if (price !== '' && product.currency) {
            price = new Intl.NumberFormat(locale, { style: 'currency', currency: product.currency }).format(price);
          }
        } catch {
          price = `${price} ${product.currency}`;
        }
        const stock = product.in_stock == null ? '' : product.in_stock ? t.in : t.out;
        const words = [
          el('span', {}, el('b', { dir: 'auto' }, product.title || product.name || ''), el('span', { className: 'where' }, stock)),
          el('span', { className: 'price' }, String(price)),
        ];
        return url && el('li', {}, link(url, {}, ...words));
      }),
    );

  // What stands around an answer's text: the calm card and contact of a refusal, products, sources.
  const dress = (box, body, refused, sources, products) => {
    if (refused) {
      body.classList.add('calm');
      const way = contactLink();
      if (way) body.append(el('div', { className: 'acts' }, way));
    }
    if (products.length) box.append(productList(products));
    if (sources.length) box.append(el('p', { className: 'meta' }, t.sources), sourceList(sources));
  };

  // Thumbs under an answer; a thumb down opens a line for the reason.
  const feedback = (id) => {
    const rate = (rating, reason) =>
      authorised(`/api/messages/${encodeURIComponent(id)}/feedback`, () => (reason ? { rating, reason } : { rating }))
        .then(() => announce(t.thanks))
        .catch((problem) => announce(explain(problem)));
    const reason = el('input', { 'aria-label': t.why, placeholder: t.why, maxLength: 500 });
    const sendReason = el('button', { type: 'button', className: 'send', 'aria-label': t.send }, icon(SEND));
    const why = el('div', { className: 'why', hidden: true }, reason, sendReason);
    const thanks = el('span', { className: 'sub', hidden: true }, t.thanks);
    const thumb = (rating, name) => {
      const button = el('button', { type: 'button', className: 'thumb ' + rating, 'aria-pressed': 'false', 'aria-label': name, title: name }, icon(THUMB));
      button.onclick = () => {
        for (const other of [up, down]) other.setAttribute('aria-pressed', String(other === button));
        follow(() => {
          why.hidden = rating === 'up';
          thanks.hidden = rating !== 'up';
        });
        if (rating === 'down') reason.focus();
        rate(rating);
      };
      return button;
    };
    const up = thumb('up', t.up);
    const down = thumb('down', t.down);
    const finish = () => {
      if (!reason.value.trim()) return;
      rate('down', reason.value.trim());
      why.hidden = true;
      thanks.hidden = false;
      field.focus();
    };
    sendReason.onclick = finish;
    reason.onkeydown = (event) => {
      if (event.key === 'Enter' && !event.isComposing) finish();
    };
    return el('div', { className: 'thumbs' }, up, down, thanks, why);
  };

  let running;
  let chips;
  const setRunning = (controller) => {
    running = controller;
    sender.hidden = !!controller;
    stopper.hidden = !controller;
  };

  // Asks and streams the answer into a new message. `repeat` leaves out the visitor's own bubble.
  const answer = async (question, repeat) => {
    const controller = new AbortController();
    setRunning(controller);
    chips?.remove();
    if (!repeat) say(mine(question));
    log.scrollTop = log.scrollHeight;
    const body = el('div', { className: 'text' }, dots());
    const box = say(bubble('bot', t.bot, body));
    announce(t.wait);
    emit('message', { text: question });

    let text = '';
    let sources = [];
    let products = [];
    let result;
    let frame;
    let timer;
    const draw = () => {
      frame = 0;
      follow(() => body.replaceChildren(...format(text, sources)));
    };
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort('silence'), SILENCE_MS);
    };
    try {
      alive();
      const request = () => ({ message: question, domain, session_id: session.session_id });
      const response = await authorised('/api/chat', request, { accept: 'text/event-stream' }, controller.signal);
      store({ session, conversation });
      if (/json/.test(response.headers.get('content-type'))) {
        result = await response.json();
        text = result.answer;
      } else {
        for await (const [event, data] of events(response, alive)) {
          if (event === 'token') {
            text += data.text;
            frame ||= requestAnimationFrame(draw);
          } else if (event === 'sources') sources = data.sources || [];
          else if (event === 'products') products = data.products || [];
          else if (event === 'done') result = data;
          else if (event === 'error') throw data;
        }
      }
      if (!result) throw { code: 'interrupted' };
      sources = result.sources || sources;
      products = result.products || products;
      conversation = result.conversation_id;
      store({ session, conversation });
      finish();
    } catch (problem) {
      const stopped = controller.signal.reason === 'visitor';
      controller.abort();
      cancelAnimationFrame(frame);
      draw();
      if (stopped) {
        follow(() => box.append(el('p', { className: 'sub' }, t.cut)));
        announce(t.cut);
      } else apologise(problem, box, () => box.remove() || answer(question, true));
    } finally {
      clearTimeout(timer);
      setRunning(null);
    }

    function finish() {
      cancelAnimationFrame(frame);
      draw();
      follow(() => {
        dress(box, body, result.refused, sources, products);
        if (result.message_id) box.append(feedback(result.message_id));
      });
      // A long answer is read from its question on.
      if (box.offsetHeight > log.clientHeight) log.scrollTop = box.previousElementSibling.offsetTop - 12;
      announce(`${t.bot}: ${text.replace(/\s*\[[\d, ]+\]|[*`#]/g, '')}${sources.length ? ` ${t.sources}: ${sources.length}` : ''}`);
      emit('answer', { text, sources, products, refused: !!result.refused, message_id: result.message_id });
    }
  };

  const measure = () => {
    const length = [...field.value].length;
    const over = length > MAX_CHARS;
    count.textContent = length > COUNT_FROM ? `${length} / ${MAX_CHARS}` : '';
    count.classList.toggle('over', over);
    field.setAttribute('aria-invalid', String(over));
    sender.disabled = over || !field.value.trim();
    field.style.height = 'auto';
    field.style.height = field.scrollHeight + 'px';
  };
  const submit = () => {
    if (sender.disabled || running) return;
    const question = field.value.trim();
    field.value = '';
    measure();
    answer(question);
  };

  // Opening and closing

  // Earlier turns of this tab's conversation, oldest first; none if the server no longer has them.
  const recall = async () => {
    if (!conversation) return [];
    try {
      const response = await authorised(`/api/conversations/${encodeURIComponent(conversation)}/messages?limit=30`);
      const { items } = await response.json();
      items.sort((a, b) => Date.parse(a.created_at) - Date.parse(b.created_at));
      return items.map(({ role, text, refused, sources }) => {
        if (role === 'visitor') return mine(text);
        const body = el('div', { className: 'text' }, ...format(text, sources || []));
        const box = bubble('bot', t.bot, body);
        dress(box, body, refused, sources || [], []);
        return box;
      });
    } catch {
      return [];
    }
  };

  let greeted;
  const greet = async () => {
    if (greeted) return;
    greeted = true;
    const body = el('div', { className: 'text' }, dots());
    const box = say(bubble('bot', t.bot, body));
    try {
      await join();
      body.replaceChildren(...format(session.greeting || texts.greeting || t.hello, []));
      const turns = await recall();
      follow(() => box.after(...turns));
      if (session.suggestions?.length && !running && !log.querySelector('.user')) {
        chips = el('div', { className: 'chips' });
        for (const suggestion of session.suggestions.slice(0, 4)) {
          const chip = el('button', { type: 'button', dir: 'auto' }, suggestion);
          chip.onclick = () => ask(suggestion);
          chips.append(chip);
        }
        box.after(chips);
      }
    } catch (problem) {
      body.remove();
      // A question that is already on its way tells of the same trouble itself.
      if (running || log.querySelector('.user')) box.remove();
      else {
        const again = () => {
          box.remove();
          greeted = false;
          greet();
        };
        apologise(problem, box, again);
      }
    }
  };
  const fit = () => {
    if (visualViewport) panel.style.setProperty('--height', visualViewport.height + 'px');
    panel.setAttribute('aria-modal', String(fullScreen.matches));
  };
  const toggle = (show) => {
    if (panel.hidden !== show) return;
    panel.hidden = !show;
    launcher.setAttribute('aria-expanded', String(show));
    if (show) {
      fit();
      measure();
      greet();
    }
    (show ? field : launcher).focus();
    emit(show ? 'open' : 'close');
  };
  const open = () => toggle(true);
  const close = () => toggle(false);
  const ask = (question) => {
    open();
    field.value = String(question ?? '');
    measure();
    submit();
    field.focus();
  };

  launcher.onclick = () => toggle(panel.hidden);
  closer.onclick = close;
  stopper.onclick = () => {
    running?.abort('visitor');
    field.focus();
  };
  field.oninput = measure;
  field.onkeydown = (event) => {
    // 229 is what Safari reports for the Enter that ends an input method's composition.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    submit();
  };
  root.onkeydown = (event) => {
    // Keys typed here are not shortcuts of the page.
    event.stopPropagation();
    if (event.key === 'Escape' && !event.isComposing) close();
    if (event.key !== 'Tab' || !fullScreen.matches || panel.hidden) return;
    const stops = [...panel.querySelectorAll('button,a,textarea,input,[tabindex]')].filter((node) => node.checkVisibility?.() !== false && !node.disabled);
    const edge = event.shiftKey ? stops[0] : stops.at(-1);
    if (shadow.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? stops.at(-1) : stops[0]).focus();
  };
  visualViewport?.addEventListener('resize', fit);

  const on = (name, listener) => {
    (listeners[name] ||= []).push(listener);
  };
  const mount = () => document.body.append(host);

  setTheme();
  relabel();
  window.Omniops = { open, close, ask, on };
  const run = ([name, ...rest]) => window.Omniops[name]?.(...rest);
  const start = () => {
    mount();
    const queue = window.OmniopsQ;
    window.OmniopsQ = { push: (...calls) => calls.forEach(run) };
    if (Array.isArray(queue)) queue.forEach(run);
  };
  if (document.body) start();
  else addEventListener('DOMContentLoaded', start);
})();
