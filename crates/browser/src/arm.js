// Runs in every document before its own scripts: no dialog stops it, no second window opens, no connection bypasses the
// proxy, and what it still fetches, and has put off, is known.
(() => {
    const nothing = () => undefined;
    for (const name of ["alert", "print", "open", "prompt"]) {
        window[name] = nothing;
    }
    window.confirm = () => false;
    for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "WebTransport"]) {
        delete window[name];
    }
    const { fetch, setTimeout, requestAnimationFrame } = window;
    const now = performance.now.bind(performance);
    const wrap = (owner, name, note) => {
        const inner = owner && owner[name];
        if (typeof inner === "function") {
            owner[name] = function (...args) {
                const answer = inner.apply(this, args);
                note(answer, args);
                return answer;
            };
        }
    };

    // When each request began. One that hangs, or waits for news on purpose, stops counting.
    const HANGS_AFTER_MS = 3000;
    const begun = new Set();
    const track = () => {
        const request = { at: now() };
        begun.add(request);
        return () => begun.delete(request);
    };
    const trackPromise = (promise) => {
        const end = track();
        promise.then(end, end);
    };
    window.fetch = function (...args) {
        const answer = fetch.apply(this, args);
        trackPromise(answer);
        return answer;
    };
    for (const name of ["arrayBuffer", "blob", "bytes", "formData", "json", "text"]) {
        wrap(Response.prototype, name, trackPromise);
    }
    const { send } = XMLHttpRequest.prototype;
    XMLHttpRequest.prototype.send = function (...args) {
        this.addEventListener("loadend", track(), { once: true });
        return send.apply(this, args);
    };
    new MutationObserver((changes) => {
        for (const node of changes.flatMap((change) => [...change.addedNodes])) {
            if (node.localName === "script" && node.src) {
                const end = track();
                node.addEventListener("load", end, { once: true });
                node.addEventListener("error", end, { once: true });
            }
        }
    }).observe(document, { childList: true, subtree: true });

    // What was put off and has not been done, with the time when it is due, and whether the page has what may bring news at any time.
    // What was put off and called back counts until somewhat later.
    const FRAME_MS = 50;
    const LATE_MS = 1000;
    const putOff = new Set();
    const intervals = [];
    let alive = false;
    let lastDone = now();
    const clean = () => putOff.forEach((task) => task.at < now() - LATE_MS && putOff.delete(task));
    const noting = (owner, name, delayOf) => {
        const inner = owner && owner[name];
        if (typeof inner !== "function") {
            return;
        }
        owner[name] = function (work, ...how) {
            const task = { at: now() + (Number(delayOf(how)) || 0) };
            putOff.add(task);
            if (putOff.size % 500 === 0) {
                clean();
            }
            const noted = function (...args) {
                putOff.delete(task);
                lastDone = now();
                return work.apply(this, args);
            };
            return inner.call(this, typeof work === "function" ? noted : work, ...how);
        };
    };
    noting(window, "setTimeout", ([delay]) => delay);
    noting(window, "requestAnimationFrame", () => FRAME_MS);
    noting(window, "requestIdleCallback", () => FRAME_MS);
    noting(window.scheduler && Object.getPrototypeOf(window.scheduler), "postTask", ([how]) => how && how.delay);
    wrap(window, "setInterval", (_, [, every]) => intervals.push({ at: now(), every: Math.max(Number(every) || 0, 1) }));
    // Another document that the page leads to is on its way.
    if (window.navigation) {
        navigation.addEventListener("navigate", (event) => event.destination.sameDocument || putOff.add({ at: now() }));
    }
    const live = () => {
        alive = true;
    };
    wrap(IDBFactory.prototype, "open", live);
    for (const name of ["compile", "compileStreaming", "instantiate", "instantiateStreaming"]) {
        wrap(WebAssembly, name, live);
    }
    for (const name of ["BroadcastChannel", "EventSource", "SharedWorker", "WebSocket", "Worker"]) {
        if (window[name]) {
            const construct = (...how) => {
                live();
                return Reflect.construct(...how);
            };
            window[name] = new Proxy(window[name], { construct });
        }
    }
    const body = Object.getOwnPropertyDescriptor(Response.prototype, "body");
    const readAsStream = function () {
        live();
        return body.get.call(this);
    };
    Object.defineProperty(Response.prototype, "body", { ...body, get: readAsStream });
    // What loads others without a request that is seen here, or is told of them by messages.
    const LOADERS = 'script[type="module"], link[rel="modulepreload"], meta[http-equiv="refresh" i], iframe, frame';
    const loads = () =>
        document.querySelector(LOADERS) !== null ||
        [...document.scripts].some((script) => !script.src && /\bimport\s*\(/.test(script.text));

    const watch = {
        // How many requests are under way.
        unfinished: () => [...begun].filter((request) => now() - request.at < HANGS_AFTER_MS).length,
        // When something that was put off was last done.
        lastDone: () => lastDone,
        // Whether the page may change by itself within so many milliseconds, as far as can be told.
        restless: (ms) => {
            clean();
            const until = now() + ms;
            const ticks = ({ at, every }) => every - ((now() - at) % every) <= ms;
            const runs = (animation) => animation.playState === "running";
            return (
                alive ||
                [...putOff].some((task) => task.at <= until) ||
                intervals.some(ticks) ||
                document.getAnimations().some(runs) ||
                loads()
            );
        },
        // Those that are not noted above.
        sleep: (ms) => new Promise((wake) => setTimeout.call(window, wake, ms)),
        frame: () => new Promise((wake) => requestAnimationFrame.call(window, wake)),
    };
    Object.defineProperty(window, "__watch", { value: Object.freeze(watch) });
})();
