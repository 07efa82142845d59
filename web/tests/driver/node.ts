/**
 * A device under Node: the sync layer with its real encryption, told what to do by JSON lines on stdin.
 *
 *   {"id": 1, "do": "open", "arguments": [{credential}, "ws://…"]}
 *   {"id": 2, "do": "send", "arguments": ["ben@localhost", "hello"]}     any method of App
 *   {"id": 3, "do": "cut"}                                               the network goes, for so many ms
 *
 * Answers are {"id": 2, "result": …} or {"id": 2, "error": …}; {"event": "live", "data": …} tells of changes.
 */
import 'fake-indexeddb/auto'
import { createInterface } from 'node:readline'
import { WebSocket as NodeWebSocket } from 'ws'
import { openCrypto } from '../../src/crypto/open'
import { Database } from '../../src/local/database'
import { ofChat } from '../../src/local/queries'
import type { Credential } from '../../src/local/types'
import type { App } from '../../src/sync/app'
import { openApp } from '../../src/sync/open'

const say = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`)

const sockets = new Set<NodeWebSocket>()
let unplugged = false

/** A network that can be cut. */
class Cuttable extends NodeWebSocket {
  constructor(url: string, protocol: string) {
    super(unplugged ? 'ws://127.0.0.1:9' : url, protocol)
    sockets.add(this)
    this.on('close', () => sockets.delete(this))
    if (process.env['DEBUG']) {
      this.on('message', (data: Buffer) => process.stderr.write(`< ${data.toString()}\n`))
      const send = this.send.bind(this)
      this.send = (data: string) => {
        process.stderr.write(`> ${data}\n`)
        send(data)
      }
    }
  }
}

let app: App | undefined
const db = new Database('device')

const actions: Record<string, (...given: never[]) => unknown> = {
  async open(credential: Credential, url: string) {
    app = await openApp(db, credential, {
      url,
      crypto: openCrypto,
      WebSocket: Cuttable as unknown as typeof WebSocket,
      locks: undefined,
      channel: undefined
    })
    app.live.subscribe((live) => say({ event: 'live', data: live }))
    app.onNews((news) => say({ event: 'news', data: news }))
  },
  messages: (chat: string) => ofChat(db, chat).toArray(),
  chat: (chat: string) => db.chats.get(chat),
  contact: (address: string) => db.contacts.get(address),
  waiting: () => db.outgoing.toArray(),
  fact: (name: string) => db.fact(name),
  picture: async (hash: string) => (await db.pictures.get(hash))?.data.size,
  cut(plugged = true) {
    unplugged = !plugged
    for (const socket of sockets) socket.terminate()
  },
  plug() {
    unplugged = false
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const {
    id,
    do: name,
    arguments: given = []
  } = JSON.parse(line) as {
    id: number
    do: string
    arguments?: never[]
  }
  const call = actions[name] ?? (app?.[name as keyof App] as ((...given: never[]) => unknown) | undefined)
  Promise.resolve()
    .then(() => {
      if (!call) throw new Error(`no ${name}`)
      return call(...given)
    })
    .then((result) => say({ id, result: result ?? null }))
    .catch((error: Error) => say({ id, error: `${error.name}: ${error.message}` }))
}
process.exit(0)
