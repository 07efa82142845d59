// A client with SASL2, Bind 2 and tokens for the tests: xmpp.js, told by its one argument, telling by JSON lines.
//
//   {"service": …, "username": …, "password": …, "agent": …, "token": …}      token: what it saved before, or null
//
// A line on stdin cuts the connection; the client then comes back by itself. It ends with its stdin.

import { createInterface } from 'node:readline';
import { client, xml } from '@xmpp/client';
import { WebSocket } from 'ws';

globalThis.WebSocket ??= WebSocket; // Node has one of its own from version 22 on

const { service, username, password, agent, token } = JSON.parse(process.argv[2]);
const say = (event, data) => process.stdout.write(JSON.stringify({ event, data: data ?? null }) + '\n');

const xmpp = client({
    service,
    domain: 'localhost',
    resource: 'xmppjs',
    username,
    password,
    userAgent: xml('user-agent', { id: agent }, xml('software', {}, 'xmpp.js'), xml('device', {}, 'Node'))
});
xmpp.reconnect.delay = 200;
if (token) {
    xmpp.fast.saveToken(token);
}
const save = xmpp.fast.saveToken;
xmpp.fast.saveToken = async (saved) => {
    say('token', saved);
    return save(saved);
};
xmpp.fast.deleteToken = async () => {
    say('token-refused');
    return save(null);
};
xmpp.on('send', (element) => element.name === 'authenticate' && say('mechanism', element.attrs.mechanism));
xmpp.on('element', (element) => element.name === 'success' && say('success', element.children.map((c) => c.name)));
xmpp.on('online', async (address) => {
    await xmpp.send(xml('presence'));
    say('online', address.toString());
});
xmpp.on('stanza', (stanza) => stanza.is('message') && say('message', stanza.getChildText('body')));
xmpp.on('error', (error) => say('error', String(error)));
xmpp.streamManagement.on('resumed', () => say('resumed', xmpp.jid.toString()));

xmpp.start().catch((error) => say('error', String(error)));
for await (const _ of createInterface({ input: process.stdin })) {
    xmpp.socket.socket.terminate?.() ?? xmpp.socket.socket.close();
}
process.exit(0);
