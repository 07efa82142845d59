// A web client for the tests: StanzaJS, told what to do by JSON lines on stdin, telling what happens on stdout.
//
//   {"id": 1, "do": "connect", "arguments": [{"jid": …, "password": …, "transports": {…}}]}
//   {"id": 2, "do": "sendMessage", "arguments": [{"to": …, "body": …}]}   any method of the client
//   {"id": 3, "do": "cut"}                                              the connection is lost
//
// Answers are {"id": 2, "result": …} or {"id": 2, "error": …}; events {"event": "chat", "data": …}.

import { createInterface } from 'node:readline';
import * as stanza from 'stanza';

const EVENTS = [
    'chat', 'message:sent', 'message:error', 'receipt', 'message:acked', 'available', 'unavailable', 'subscribe',
    'subscribed', 'roster:update', 'carbon:received', 'carbon:sent', 'connected', 'disconnected', 'auth:failed',
    'session:started', 'session:end', 'stream:management:resumed', 'pubsub:event'
];

let client;

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const plain = (error) => error?.error?.condition ?? error?.message ?? String(error?.condition ?? error);

const actions = {
    connect(config) {
        client = stanza.createClient(config);
        for (const name of EVENTS) {
            client.on(name, (data) => say({ event: name, data: data ?? null }));
        }
        // The client drops a stream error that a close follows at once
        client.on('raw:incoming', (data) => data.startsWith('<stream:error') && say({ event: 'raw:error', data }));
        // and does not say why a login failed, nor by which mechanism it was tried
        client.on('raw:*', (direction, data) => {
            if (/^<(auth|failure) /.test(data)) say({ event: direction, data });
        });
        if (process.env.DEBUG) {
            client.on('raw:*', (direction, data) => process.stderr.write(`${direction} ${data}\n`));
        }
        return client.connect();
    },
    cut() {
        client.transport.socket._socket ? client.transport.socket.terminate() : client.transport.socket.close();
    },
    reconnect() {
        return client.connect();
    },
    async archive(options) {
        const page = await client.searchHistory(options);
        return { complete: Boolean(page.complete), bodies: page.results.map((result) => result.item.message.body) };
    }
};

for await (const line of createInterface({ input: process.stdin })) {
    const { id, do: name, arguments: given = [] } = JSON.parse(line);
    // Not awaited: an answer may depend on what comes next
    Promise.resolve()
        .then(() => (name in actions ? actions[name](...given) : client[name](...given)))
        .then((result) => say({ id, result: result ?? null }))
        .catch((error) => say({ id, error: plain(error) }));
}
process.exit(0);
