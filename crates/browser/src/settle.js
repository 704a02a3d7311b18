// Waits until the document has become what a visitor sees, and hands over its HTML. An asynchronous WebDriver script:
// the first argument has the bounds, the last one is called with the outcome.
const bounds = arguments[0];
const done = arguments[arguments.length - 1];

const began = performance.now();
const now = () => performance.now();
const left = () => Math.max(0, bounds.total_ms - (now() - began));
// From `arm.js`; documents that are no HTML may be without it.
const plain = (ms) => new Promise((wake) => setTimeout(wake, ms));
const { unfinished, lastDone, restless, sleep, frame } = window.__watch || {
    unfinished: () => 0,
    lastDone: now,
    restless: () => true,
    sleep: plain,
    frame: () => plain(20),
};
const root = () => document.scrollingElement || document.documentElement;

// Whether nothing has changed and nothing has been fetched for a while, within `limit`. The while is shorter where nothing is known
// of that could change anything in it.
const quiet = async (limit) => {
    const until = now() + Math.min(limit, left());
    let last = now();
    const observer = new MutationObserver(() => {
        last = now();
    });
    observer.observe(document, { childList: true, subtree: true, characterData: true });
    let still = false;
    while (!still && now() < until) {
        await sleep(25);
        const loading = document.readyState !== "complete" && now() - began < bounds.load_ms;
        if (loading || unfinished() > 0) {
            last = now();
        }
        const since = now() - last;
        const calm = () => Math.min(since, now() - lastDone()) >= bounds.calm_ms && !restless(bounds.quiet_ms);
        still = since >= bounds.quiet_ms || calm();
    }
    observer.disconnect();
    return still;
};

const TOPIC = /cookie|consent|gdpr|privacy|datenschutz|einwilligung|vie privée|privacidad|cookies?/i;
const REJECT =
    /^(reject|decline|refuse|deny|disagree|only (necessary|essential)|(necessary|essential|required)( cookies)? only|use necessary|continue without|ablehnen|alle ablehnen|nur (notwendige|essenzielle)|refuser|tout refuser|continuer sans|rechazar|solo necesarias|rifiuta|recusar|rejeitar|weigeren|alleen noodzakelijke|avvisa|odrzuć)/i;
const ACCEPT =
    /^(accept|agree|allow|i agree|i accept|ok\b|okay|got it|understood|yes|akzeptieren|alle akzeptieren|zustimmen|einverstanden|verstanden|accepter|tout accepter|j'accepte|d'accord|aceptar|acepto|accetta|accetto|aceitar|accepteren|akkoord|godkänn|acceptera|akceptuj|zgadzam|同意|接受|同意する)/i;
const NAMES = ["cookie", "consent", "gdpr", "onetrust", "didomi", "usercentrics", "qc-cmp", "cmp-", "truste"];
const SELECTOR = [
    ...NAMES.flatMap((name) => [`[id*="${name}" i]`, `[class*="${name}" i]`, `[aria-label*="${name}" i]`]),
    '[role="dialog"]',
    '[role="alertdialog"]',
    '[aria-modal="true"]',
].join(",");

// The outermost box that floats over the page, speaks of cookies and has something to press.
const overlay = () => {
    const boxes = [...document.querySelectorAll(SELECTOR)].slice(0, 200);
    return boxes.find((box) => {
        const floats = ["fixed", "sticky"].includes(getComputedStyle(box).position) || box.tagName === "DIALOG";
        const holdsPage = box === document.body || box.querySelector("main, article, h1");
        const text = box.innerText || "";
        return floats && !holdsPage && text.length < 5000 && TOPIC.test(text) && box.querySelector(PRESSABLE);
    });
};
const PRESSABLE = 'button, [role="button"], input[type="button"], a';
// Not what leads elsewhere or sends a form.
const isHarmless = (button) => {
    const href = button.getAttribute("href");
    const leads = href !== null && !/^(#|javascript:)/i.test(href.trim());
    return !leads && !(button.form && button.type === "submit" && button.form.getAttribute("action"));
};
const dismiss = async () => {
    const box = overlay();
    if (!box) {
        return false;
    }
    const buttons = [...box.querySelectorAll(PRESSABLE)].filter(isHarmless);
    const named = (words) => buttons.find((button) => words.test((button.innerText || button.value || "").trim()));
    const button = named(REJECT) || named(ACCEPT);
    if (button && bounds.may_click) {
        button.click();
        await quiet(1500);
    }
    if (box.isConnected) {
        box.remove();
    }
    return true;
};

const scroll = async () => {
    for (let screen = 0; screen < bounds.screens && left() > 0; screen += 1) {
        const height = root().scrollHeight;
        if (height <= window.innerHeight || document.getElementsByTagName("*").length > bounds.max_elements) {
            return;
        }
        window.scrollTo(0, height);
        // Two frames, so that whoever looks out for the bottom has been told, and a moment if that has put off something.
        await Promise.race([frame().then(frame), sleep(1000)]);
        await sleep(restless(100) ? 100 : 0);
        if (unfinished() > 0 || root().scrollHeight > height) {
            await quiet(1000);
        }
        if (root().scrollHeight <= height) {
            return;
        }
    }
};

// Content of open shadow roots is a visitor's, too; serialising leaves it out unless it stands in the document.
const flatten = (tree) => {
    for (const element of tree.querySelectorAll("*")) {
        if (element.shadowRoot) {
            flatten(element.shadowRoot);
            element.append(...element.shadowRoot.childNodes);
        }
    }
};

(async () => {
    let settled = await quiet(bounds.settle_ms);
    const dismissed = await dismiss();
    await scroll();
    const text = document.body ? document.body.innerText.trim().length : 0;
    flatten(document);
    const html = document.documentElement ? document.documentElement.outerHTML : "";
    const navigation = performance.getEntriesByType("navigation")[0];
    done({
        url: navigation && !location.href.startsWith("chrome-error:") ? navigation.name : location.href,
        status: navigation ? navigation.responseStatus : 0,
        content_type: document.contentType,
        text,
        settled,
        dismissed,
        html: html.length > bounds.max_chars ? null : html,
    });
})().catch((error) => done({ error: String(error) }));
