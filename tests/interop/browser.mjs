// A page in a browser, by Playwright: told what to do by JSON lines on stdin, telling what happens on stdout.
//
//   {"id": 1, "do": "page", "arguments": ["goto", "http://…"]}                  any method of the page
//   {"id": 2, "do": "locator", "arguments": ["#name", "fill", "Ada"]}           any method of what a selector finds
//
// Answers are {"id": 2, "result": …} or {"id": 2, "error": …}; events {"event": "console", "data": …}. It ends
// with its stdin. The argument is where Chromium listens; the page knows nothing of what others have stored there.

import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const chrome = await chromium.connectOverCDP(process.argv[2]);
const browser = await chrome.newContext({ viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true });
browser.setDefaultTimeout(60_000);
// Converse.js has pictures of its sponsors: nothing is asked of other machines
await browser.route((url) => !['127.0.0.1', 'localhost'].includes(url.hostname), (route) => route.fulfill({ status: 204 }));
const page = await browser.newPage();

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const tell = (event, data) => say({ event, data });

page.on('console', (message) => tell('console', { type: message.type(), text: message.text() }));
page.on('pageerror', (error) => tell('pageerror', error.stack ?? String(error)));
page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    if (why !== 'net::ERR_ABORTED') { // which it is when the page has been left
        tell('failed', `${request.url()} ${why}`);
    }
});
page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => tell('sent', String(payload)));
    socket.on('framereceived', ({ payload }) => tell('received', String(payload)));
});

const actions = {
    page: (method, ...given) => page[method](...given),
    locator: (selector, method, ...given) => page.locator(selector)[method](...given)
};
// What is no JSON (a response, a buffer) is not told
const plain = (result) => (typeof result === 'number' || Array.isArray(result) ? result : null);

for await (const line of createInterface({ input: process.stdin })) {
    const { id, do: name, arguments: given = [] } = JSON.parse(line);
    // Not awaited: an answer may depend on what comes next
    Promise.resolve()
        .then(() => actions[name](...given))
        .then((result) => say({ id, result: plain(result) }))
        .catch((error) => say({ id, error: error.message }));
}
await browser.close();
await chrome.close();
process.exit(0);
