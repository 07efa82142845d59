/** A device in a browser without screens, as `window.device`: for measuring. */
import { openCrypto } from '../../src/crypto/open'
import { Database } from '../../src/local/database'
import { addMessage } from '../../src/local/messages'
import { messageKey, orderAt } from '../../src/local/order'
import { before, chatList, newest } from '../../src/local/queries'
import { search } from '../../src/local/search'
import type { Credential } from '../../src/local/types'
import { Work } from '../../src/local/work'
import type { App, Live } from '../../src/sync/app'
import { openApp } from '../../src/sync/open'
import { MeasuredGroup } from './group'

let app: App | undefined
let group: MeasuredGroup | undefined
let live: Live | undefined
let began = 0
let ended = 0
/** Milliseconds in the encryption. */
let decrypting = 0
let db = new Database('device')

const device = {
  async open(credential: Credential, url: string): Promise<void> {
    began = performance.now()
    ended = 0
    app = await openApp(db, credential, {
      url,
      crypto: async (...given) => {
        const opened = await openCrypto(...given)
        const decrypt = opened.decrypt.bind(opened)
        opened.decrypt = async (...args) => {
          const start = performance.now()
          const result = await decrypt(...args)
          decrypting += performance.now() - start
          return result
        }
        return opened
      }
    })
    app.live.subscribe((value) => {
      live = value
      if (value.connection === 'online' && !ended) ended = performance.now()
    })
  },
  isOnline: (): boolean => live?.connection === 'online',
  /** Milliseconds from opening to online, and how many messages there are. */
  caughtUp: async (): Promise<number[]> => [ended ? ended - began : 0, await db.messages.count(), decrypting],
  credential: () => db.fact<Credential>('credential'),

  /** A group with so many members and devices. */
  async group(members: number, devices: number): Promise<void> {
    group = await MeasuredGroup.of(members, devices)
  },
  send: (text: string): Promise<number[]> | undefined => group?.send(text),
  answered: (): Promise<void> | undefined => group?.answered(),
  received: (text: string, siblings: number): Promise<number> | undefined => group?.received(text, siblings),

  /** A conversation of so many messages. */
  async fill(count: number): Promise<number> {
    db = new Database('filled')
    const chat = 'ben@example.org'
    for (let start = 0; start < count; start += 1000) {
      await Work.run(db, async (work) => {
        for (let at = start; at < Math.min(count, start + 1000); at++) {
          const moment = 1.7e12 + at * 60_000
          const id = `id-${at}`
          await work.keepAlive()
          await addMessage(work, 'ada@example.org', {
            ...{
              key: messageKey(chat, chat, false, id),
              chat,
              at: moment,
              order: orderAt(moment),
              from: chat
            },
            ...{
              mine: false,
              id,
              kind: 'text',
              text: `Message ${at} about word${at % 997} and more`,
              progress: 'read'
            },
            ...{ reactions: {}, encrypted: true }
          })
        }
      })
    }
    return db.messages.count()
  },

  /** Milliseconds: the newest messages of the conversation, the page before them, the list of chats, a search. */
  async read(): Promise<number[]> {
    db = new Database('filled')
    const times: number[] = []
    const timed = async <T>(work: () => Promise<T>): Promise<T> => {
      const start = performance.now()
      const result = await work()
      times.push(performance.now() - start)
      return result
    }
    const [first] = await timed(() => newest(db, 'ben@example.org'))
    if (first) await timed(() => before(db, first))
    await timed(() => chatList(db))
    await timed(() => search(db, 'word500 message'))
    return times
  }
}

declare global {
  interface Window {
    device: typeof device
  }
}
window.device = device
