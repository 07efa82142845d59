// Somebody's browser with the web app in it, by Playwright: told what to do by JSON lines on stdin, telling what
// happens on stdout (see tests/interop/node.py).
//
//   {"id": 1, "do": "page", "arguments": ["goto", "http://…"]}                        any method of the page
//   {"id": 2, "do": "locator", "arguments": ["#name", "fill", "Ada"]}                 any method of what a selector finds
//   {"id": 3, "do": "role", "arguments": ["button", "Send", "click"]}                 the same, by role and name
//   {"id": 4, "do": "axe"}                                                            what is wrong for who can't see
//
// The arguments are where Chromium listens, and the options of the context as JSON.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const interop = createRequire(new URL('../interop/package.json', import.meta.url));
const web = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = interop('playwright-core');
const axe = readFileSync(web.resolve('axe-core/axe.min.js'), 'utf8');

const [, , where, options] = process.argv;
const chrome = await chromium.connectOverCDP(where);
const context = await chrome.newContext(JSON.parse(options));
context.setDefaultTimeout(60_000);
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const tell = (event, data) => say({ event, data });

await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
});
let page;
let tracing;
const pages = [];
async function open() {
    page = await context.newPage();
    pages.push(page);
    page.on('console', (message) => {
        if (message.type() === 'error') tell('error', message.text());
    });
    page.on('pageerror', (error) => tell('error', error.stack || String(error)));
    page.on('request', (request) => tell('request', request.url()));
}
await open();

const actions = {
    page: (method, ...given) => page[method](...given),
    context: (method, ...given) => context[method](...given),
    locator: (selector, method, ...given) => page.locator(selector)[method](...given),
    role: (role, name, method, ...given) => page.getByRole(role, { name, exact: true })[method](...given),
    key: (key) => page.keyboard.press(key),
    // another tab of the same browser, or one of those that there are: what is asked from then on is asked of it
    tab: async (number) => {
        if (number >= pages.length) await open();
        page = pages[number];
        await page.bringToFront();
    },
    // a finger that stays where it is
    hold: async (selector, ms) => {
        const { x, y, width, height } = await page.locator(selector).boundingBox();
        const session = await context.newCDPSession(page);
        const touchPoints = [{ x: x + width / 2, y: y + height / 2 }];
        await session.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints });
        await new Promise((done) => setTimeout(done, ms));
        await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
        await session.detach();
    },
    // a finger that draws something aside, by so many pixels, after it was there for a while
    swipe: async (selector, by, ms = 0) => {
        const { x, y, width, height } = await page.locator(selector).boundingBox();
        const session = await context.newCDPSession(page);
        const at = (step) => [{ x: x + width / 3 + step, y: y + height / 2 }];
        await session.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at(0) });
        if (ms) await new Promise((done) => setTimeout(done, ms));
        for (let step = 4; step <= Math.abs(by); step += 4)
            await session.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at(Math.sign(by) * step) });
        await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
        await session.detach();
    },
    // files for a field, by their paths: Playwright would send what is in them through the debugger, which costs CPU time
    choose: async (selector, ...files) => {
        const session = await context.newCDPSession(page);
        const { root } = await session.send('DOM.getDocument', { depth: 0 });
        const { nodeId } = await session.send('DOM.querySelector', { nodeId: root.nodeId, selector });
        await session.send('DOM.setFileInputFiles', { nodeId, files });
        await session.detach();
    },
    // the name of the file that a button saves, and what is in it
    download: async (name) => {
        const [file] = await Promise.all([
            page.waitForEvent('download'),
            page.getByRole('button', { name }).click()
        ]);
        return [file.suggestedFilename(), readFileSync(await file.path(), 'utf8')];
    },
    // the same, as it is, into a file
    save: async (name, where) => {
        const [file] = await Promise.all([
            page.waitForEvent('download', { timeout: 60_000 }),
            page.getByRole('button', { name, exact: true }).click()
        ]);
        await file.saveAs(where);
    },
    // what is saved when something is pressed, by its selector: the name, and the file at that place
    saved: async (selector, where) => {
        const [file] = await Promise.all([
            page.waitForEvent('download', { timeout: 60_000 }),
            page.locator(selector).click()
        ]);
        await file.saveAs(where);
        return file.suggestedFilename();
    },
    axe: async () => {
        await page.evaluate(axe);
        const found = await page.evaluate(() =>
            window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
        );
        return found.violations.flatMap(({ id, nodes }) =>
            nodes.map((node) => `${id}: ${node.target.join(' ')} (${node.failureSummary})`)
        );
    },
    // from here on the browser traces itself
    trace: async (...includedCategories) => {
        tracing = await chrome.newBrowserCDPSession();
        await tracing.send('Tracing.start', { traceConfig: { includedCategories }, transferMode: 'ReportEvents' });
    },
    // what it has traced, of those names: name, milliseconds, and what else is known of it
    traced: async (...names) => {
        const events = [];
        tracing.on('Tracing.dataCollected', ({ value }) =>
            events.push(
                ...value.filter(({ name }) => names.includes(name)).map(({ name, ts, args }) => [name, ts / 1000, args])
            )
        );
        const complete = new Promise((done) => tracing.once('Tracing.tracingComplete', done));
        await tracing.send('Tracing.end');
        await complete;
        await tracing.detach();
        return events;
    },
    // turns the wheel over something, up by so many pixels at so many in a second
    wheel: async (selector, yDistance, speed) => {
        const { x, y, width, height } = await page.locator(selector).boundingBox();
        const session = await context.newCDPSession(page);
        const middle = { x: x + width / 2, y: y + height / 2 };
        const gestureSourceType = 'mouse';
        await session.send('Input.synthesizeScrollGesture', { ...middle, yDistance, speed, gestureSourceType });
        await session.detach();
    }
};
const plain = (result) => (result === undefined || result === null || result?.constructor?.name === 'Response' ? null : result);

for await (const line of createInterface({ input: process.stdin })) {
    const { id, do: name, arguments: given = [] } = JSON.parse(line);
    Promise.resolve()
        .then(() => actions[name](...given))
        .then((result) => say({ id, result: Buffer.isBuffer(result) ? null : plain(result) }))
        .catch((error) => say({ id, error: error.message }));
}
await context.close();
await chrome.close();
process.exit(0);
