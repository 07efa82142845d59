import { fc } from './arbitrary'
import { describe, expect, it } from 'vitest'
import { messageRecord } from '../../src/history/record-writer'
import { Damaged, packed, unpacked } from '../../src/history/lines'
import { lineOf } from '../../src/history/record-reader'
import type { HistoryRecord } from '../../src/history/records'
import { orderAt } from '../../src/local/order'
import type { Message } from '../../src/local/types'

const NOW = Date.UTC(2026, 0, 1)
const read = (value: unknown) => lineOf(JSON.stringify(value), NOW)
const message = {
  ...{ type: 'message', v: 1, chat: 'ben@example.org', id: 'a1', mine: false, order: '0190000000000001' },
  ...{ kind: 'text', text: 'Hello', progress: 'read', encrypted: true }
}

const CALL = { id: 's', video: true, outcome: 'answered', answered: 5, seconds: 90 }

describe('records of a history', () => {
  it('come back as they were', () => {
    const records: unknown[] = [
      { type: 'account', v: 1, account: 'ada@example.org', made: 5, total: 1 },
      { type: 'contact', v: 1, address: 'ben@example.org', nick: 'Ben', about: '', picture: '' },
      message,
      {
        ...message,
        reply: { id: 'x', from: 'ada@example.org', text: 'y' },
        forwarded: true,
        edited: 5,
        expires: NOW + 5
      },
      {
        ...message,
        ...{
          announcement: true,
          unstyled: true,
          edits: [{ text: 'before', at: 4 }],
          deliveredAt: 6,
          readAt: 7
        },
        ...{ pinned: 9, pinOrder: '0190000000000002' }
      },
      { ...message, kind: 'call', text: '', call: CALL },
      { ...message, kind: 'call', text: '', call: { id: 's', video: false, outcome: 'missed' } },
      {
        ...{ type: 'change', v: 1, chat: 'ben@example.org', of: 'a1', mine: false, kind: 'edit', id: 'e2' },
        ...{ from: 'ben@example.org', order: '0190000000000003', encrypted: true, text: 'now' },
        earlier: [{ order: '0190000000000002', encrypted: true, id: 'e1', text: 'then' }]
      },
      { type: 'star', v: 1, chat: 'ben@example.org', id: 'a1', mine: false },
      {
        ...message,
        ...{ chat: 'g1@groups.example.org', author: 'ben@example.org', forMe: true },
        mentions: [
          { jid: 'ada@example.org', start: 0, end: 4 },
          { jid: '', start: 5, end: 8 }
        ],
        poll: {
          question: 'When?',
          options: [
            { id: 'a', text: 'now' },
            { id: 'b', text: 'later' }
          ],
          several: false
        }
      },
      {
        ...{ type: 'change', v: 1, chat: 'g1@groups.example.org', of: 'a1', mine: false },
        ...{ author: 'ben@example.org', kind: 'vote', from: 'cyd@example.org' },
        ...{ order: '0190000000000003', encrypted: true, emojis: ['a'], by: 'g1@groups.example.org' }
      },
      { type: 'gone', v: 1, keys: ['ben@example.org a2'] },
      { type: 'end', v: 1, records: 6 }
    ]
    for (const record of records) expect(read(record)).toEqual({ is: 'record', record })
  })

  it('of a type or version that is not known are skipped, and the others are not', () => {
    expect(read({ type: 'group', v: 1, id: 'g' })).toEqual({ is: 'unknown', type: 'group' })
    expect(read({ ...message, v: 2, text: { rich: true } })).toEqual({ is: 'unknown', type: 'message' })
    expect(read({ type: 'constructor', v: 1 })).toEqual({ is: 'unknown', type: 'constructor' })
    expect(read({ type: '__proto__', v: 1 })).toEqual({ is: 'unknown', type: '__proto__' })
  })

  it('of a later minor making keep what is known of them', () => {
    expect(read({ ...message, mood: 'fine' })).toEqual({ is: 'record', record: message })
  })

  it.each([
    ['an address with a space', { ...message, chat: 'ben@example.org x' }],
    ['an author that is none', { ...message, author: 'ben' + ' ' }],
    ['a poll with one answer', { ...message, poll: { question: '?', options: [{ id: 'a', text: 'b' }] } }],
    ['mentions without end', { ...message, mentions: Array(257).fill({ jid: '', start: 0, end: 1 }) }],
    ['a full address', { ...message, chat: 'ben@example.org/phone' }],
    [
      'a place of the future',
      { ...message, order: `${(NOW + 3 * 86_400_000).toString(16).padStart(11, '0')}00001` }
    ],
    ['a place in the outbox', { ...message, order: '~000000000001' }],
    ['no id', { ...message, id: '' }],
    ['an unknown kind', { ...message, kind: 'unreadable' }],
    ['a notice about keys', { ...message, kind: 'notice', text: 'keys-changed-verified' }],
    [
      'a call that became something unknown',
      { ...message, kind: 'call', call: { ...CALL, outcome: 'heard' } }
    ],
    ['a call without end', { ...message, kind: 'call', call: { ...CALL, seconds: 1e9 } }],
    ['a call that says nothing', { ...message, kind: 'call' }],
    ['a text without end', { ...message, text: 'x'.repeat(300_001) }],
    ['a waiting message', { ...message, progress: 'waiting' }],
    ['a version that is no number', { ...message, v: '1' }],
    [
      'a picture that is a page',
      { type: 'picture', v: 1, hash: 'a'.repeat(40), mime: 'text/html', data: '' }
    ],
    [
      'too many reactions',
      { type: 'change', v: 1, emojis: Array(21).fill('x'), chat: 'b@c', of: 'x', mine: true }
    ],
    ['an earlier text without a time', { ...message, edits: [{ text: 'x' }] }],
    ['a list', [message]],
    ['nothing', null]
  ])('with %s are bad', (_, value) => {
    expect(read(value).is).toBe('bad')
  })

  it('never throw, whatever the other device sends', () => {
    fc.assert(
      fc.property(fc.json(), fc.string(), (json, text) => {
        for (const line of [json, text]) expect(['record', 'unknown', 'bad']).toContain(lineOf(line, NOW).is)
      })
    )
  })

  it('with any fields changed are read in bounds or not at all', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(message)), fc.jsonValue(), (name, value) => {
        const line = read({ ...message, [name]: value })
        if (line.is !== 'record') return
        const { chat, id, order, text } = line.record as Extract<HistoryRecord, { type: 'message' }>
        expect(chat).not.toMatch(/[\s/]/)
        expect(id.length).toBeGreaterThan(0)
        expect(order).toMatch(/^[0-9a-f]{11}/)
        expect(typeof text).toBe('string')
      })
    )
  })
})

describe('what leaves a device of a message', () => {
  const base: Message = {
    ...{ key: 'b@c x', chat: 'b@c', at: NOW, order: orderAt(NOW), from: 'a@c', mine: true, id: 'x' },
    ...{ kind: 'text', text: 'Hello', progress: 'sent', reactions: {}, encrypted: true }
  }

  it('is nothing if it has expired, waits, can not be read, or is of a kind nobody has allowed', () => {
    expect(messageRecord({ ...base, expires: NOW }, NOW)).toBeUndefined()
    expect(messageRecord({ ...base, progress: 'waiting' }, NOW)).toBeUndefined()
    expect(messageRecord({ ...base, kind: 'unreadable' }, NOW)).toBeUndefined()
    expect(messageRecord({ ...base, kind: 'seen-once' as Message['kind'] }, NOW)).toBeUndefined()
    expect(messageRecord(base, NOW)).toBeDefined()
  })

  it('is when it goes, so that its remaining time stays', () => {
    expect(messageRecord({ ...base, expires: NOW + 7 }, NOW)?.expires).toBe(NOW + 7)
  })

  it('is a place in the history also if it could not be sent', () => {
    const record = messageRecord({ ...base, progress: 'failed', order: '~000000000001' }, NOW)
    expect(lineOf(JSON.stringify(record), NOW).is).toBe('record')
  })
})

describe('lines', () => {
  it('come back, whatever is in them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.json(), { maxLength: 20 }), async (lines) => {
        expect(await unpacked(await packed(lines))).toEqual(lines)
      }),
      { numRuns: 30 }
    )
  })

  it('that become very much are not read to their end', async () => {
    await expect(unpacked(await packed(['x'.repeat(9_000_000)]))).rejects.toThrow(Damaged)
  })

  it('that are cut off or changed are noticed', async () => {
    const data = await packed(['one', 'two', 'x'.repeat(500)])
    await expect(unpacked(data.slice(0, -3))).rejects.toThrow(Damaged)
    await expect(unpacked(new Uint8Array([1, 2, 3]))).rejects.toThrow(Damaged)
  })
})
