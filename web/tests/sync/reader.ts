/** Reads messages as if they came from the archive, in any order, without a server. */
import 'fake-indexeddb/auto'
import fc from 'fast-check'
import { expect } from 'vitest'
import { Database } from '../../src/local/database'
import { ofChat } from '../../src/local/queries'
import { KeyBuffer } from '../../src/local/key-buffer'
import type { Message } from '../../src/local/types'
import { Incoming } from '../../src/sync/incoming'
import { read } from '../../src/xmpp/received'
import { parse } from '../../src/xmpp/xml'
import { NO_GROUPS, Sealed } from './sealed'

export const ADA = 'ada@example.org'
export const BEN = 'ben@example.org'
export const START = 1.7e12
let count = 0

export class Reader {
  readonly db = new Database(`corrections ${++count}`)
  readonly news: Message[] = []
  private readonly keyBuffer = new KeyBuffer(this.db)
  private readonly incoming = new Incoming(
    this.db,
    ADA,
    new Sealed(this.keyBuffer.database, ADA, {} as never),
    this.keyBuffer,
    {
      now: () => START + 1e6,
      expiryTime: () => START + 1e6,
      news: (messages) => void this.news.push(...messages),
      queued: () => undefined,
      asked: async () => undefined,
      reupload: () => undefined,
      stranger: () => undefined,
      called: () => undefined
    },
    NO_GROUPS
  )

  /** A message of Ben's in the clear: `place` in the archive, its id, and what is in it. */
  async take(...all: Said[]): Promise<void> {
    const came = all.map(({ place, id, inner, from = BEN }) =>
      read(
        parse(
          `<message xmlns='jabber:client' type='chat' from='${from}' to='${from === BEN ? ADA : BEN}' id='${id}'>${inner}</message>`
        ),
        ADA,
        archive(place),
        START + place
      )
    )
    await this.incoming.take(came.filter((one) => one !== undefined))
  }

  async messages(): Promise<Message[]> {
    return ofChat(this.db, BEN).toArray()
  }

  async seen() {
    return (await this.messages()).map(({ kind, text, reactions, reply, id, order }) => {
      return { kind, text, reactions, reply, id, order }
    })
  }
}

export interface Said {
  place: number
  id: string
  inner: string
  from?: string
}

export const archive = (place: number) => `${(START + place).toString(16).padStart(11, '0')}00001`
export const text = (place: number, id: string, words: string, more = '') => ({
  ...{ place, id },
  inner: `<body>${words}</body>${more}`
})
export const correction = (place: number, id: string, of: string, words: string) =>
  text(place, id, words, `<replace xmlns='urn:xmpp:message-correct:0' id='${of}'/>`)
export const retraction = (place: number, of: string) => ({
  ...{ place, id: `r${place}` },
  inner: `<retract xmlns='urn:xmpp:message-retract:1' id='${of}'/>`
})
export const reaction = (place: number, of: string, emoji: string, from = BEN) => ({
  ...{ place, id: `e${place}`, from },
  inner: `<reactions xmlns='urn:xmpp:reactions:0' id='${of}'><reaction>${emoji}</reaction></reactions>`
})
export const answer = (place: number, id: string, of: string, quote: string, words: string) =>
  text(
    place,
    id,
    `&gt; ${quote}\n${words}`,
    `<reply xmlns='urn:xmpp:reply:0' id='${of}' to='${BEN}'/>` +
      `<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='${quote.length + 3}'/></fallback>`
  )

/** Ends the same in any order, as it does in this one. */
export async function inAnyOrder(things: Said[], expected: object[]): Promise<void> {
  const end = async (order: Said[]) => {
    const reader = new Reader()
    for (const one of order) await reader.take(one)
    const { seen, unread } = { seen: await reader.seen(), unread: (await reader.db.chats.get(BEN))?.unread }
    await reader.db.delete()
    return { seen, unread }
  }
  const first = await end(things)
  expect(first.seen).toMatchObject(expected)
  expect(first.seen).toHaveLength(expected.length)
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(things, { minLength: things.length }), async (order) => {
      expect(await end(order)).toEqual(first)
    }),
    { numRuns: 30 }
  )
}
