// Runs in every document before its own scripts: no dialog stops it, no second window opens, no connection bypasses the
// proxy, and what it still fetches is counted.
(() => {
    const nothing = () => undefined;
    for (const name of ["alert", "print", "open", "prompt"]) {
        window[name] = nothing;
    }
    window.confirm = () => false;
    for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "WebTransport"]) {
        delete window[name];
    }

    // When each request began. One that hangs, or waits for news on purpose, stops counting.
    const HANGS_AFTER_MS = 3000;
    const begun = new Set();
    const track = () => {
        const request = { at: performance.now() };
        begun.add(request);
        return () => begun.delete(request);
    };
    Object.defineProperty(window, "__unfinished", {
        value: () => {
            const now = performance.now();
            return [...begun].filter((request) => now - request.at < HANGS_AFTER_MS).length;
        },
    });
    const { fetch } = window;
    window.fetch = function (...args) {
        const end = track();
        const answer = fetch.apply(this, args);
        answer.then(end, end);
        return answer;
    };
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
})();
