/** Every state of encryption, delivery and presence that the app can be in, and the words for it: none says what is not so. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Failure, Message, MessageKind, Progress } from '../../src/local/types'
import { ICONS } from '../../src/parts/icons'
import { preview } from '../../src/parts/preview'
import {
  ABSENCES,
  absenceOf,
  absenceText,
  DELIVERY,
  deliveryOf,
  ENCRYPTION,
  encryptionOf,
  FAILURES,
  failureOf,
  PRESENCE,
  presenceOf,
  presenceText
} from '../../src/parts/states'
import { t } from '../../src/strings/strings.svelte'
import type { Key } from '../../src/strings/texts'
import type { Live } from '../../src/sync/app'

const ME = 'ada@example.org'
const BEN = 'ben@example.org'

function message(some: Partial<Message>): Message {
  return {
    ...{
      key: 'k',
      chat: BEN,
      at: 1,
      order: '1',
      from: BEN,
      mine: false,
      id: '1',
      kind: 'text',
      text: 'Hello'
    },
    ...{ progress: 'read', reactions: {}, encrypted: true, ...some }
  }
}

const mine = (progress: Progress, some: Partial<Message> = {}): Message =>
  message({ mine: true, from: ME, progress, ...some })
const say = (key: Key | undefined): string => (key ? t(key, { name: 'Ben', count: 3 }) : '')

describe('a message says of its encryption', () => {
  test.each([
    ['encrypted', message({}), '', 'End-to-end encrypted'],
    [
      'from a device that was not compared, or is distrusted',
      message({ encrypted: false, untrusted: 7 }),
      'from an unverified device',
      'End-to-end encrypted, from a device you have not verified'
    ],
    [
      'the same by my own other device',
      mine('sent', { encrypted: false, untrusted: 7 }),
      'from an unverified device',
      'End-to-end encrypted, from a device you have not verified'
    ],
    ['in the clear', message({ encrypted: false }), 'not encrypted', 'Not encrypted'],
    ['in the clear, mine', mine('sent', { encrypted: false }), 'not encrypted', 'Not encrypted'],
    ['taken back', message({ kind: 'deleted', encrypted: false, untrusted: 7 }), '', ''],
    ['unreadable', message({ kind: 'unreadable', encrypted: false }), '', ''],
    ['of the app itself', message({ kind: 'notice', encrypted: false }), '', ''],
    ['of the server', message({ chat: 'example.org', from: 'example.org', encrypted: false }), '', ''],
    [
      'of another server',
      message({ chat: 'evil.example', encrypted: false }),
      'not encrypted',
      'Not encrypted'
    ]
  ])('%s', (_, one, beside, long) => {
    const sign = ENCRYPTION[encryptionOf(one, ME)]
    expect([say(sign.beside), say(sign.long)]).toEqual([beside, long])
    // Red is for what was in the clear alone
    expect(sign.danger === true).toBe(one.kind === 'text' && beside === 'not encrypted')
  })
})

describe('a message says how far it has come', () => {
  const words: Record<Progress, [string, string]> = {
    waiting: ['Pending', 'clock'],
    sent: ['Sent', 'tick'],
    delivered: ['Delivered', 'ticks'],
    read: ['Read', 'ticks'],
    failed: ['Not sent', 'alert']
  }
  test.each(Object.entries(words))('%s', (progress, [label, shape]) => {
    const found = deliveryOf(mine(progress as Progress))
    expect(found).toBe(progress)
    expect([say(DELIVERY[progress as Progress].label), DELIVERY[progress as Progress].shape]).toEqual([
      label,
      shape
    ])
    expect(failureOf(mine(progress as Progress)) !== undefined).toBe(progress === 'failed')
    // Nothing of others', and nothing of what has no text
    expect(deliveryOf(message({ progress: progress as Progress }))).toBeUndefined()
    for (const kind of ['deleted', 'unreadable', 'notice'] as MessageKind[])
      expect(deliveryOf(mine(progress as Progress, { kind }))).toBeUndefined()
  })

  const reasons: Record<Failure | 'unknown', [string, boolean, boolean, string]> = {
    'no-device': ['has no encryption keys', false, false, 'Try again'],
    undecided: ['not compared', true, true, 'Try again'],
    distrusted: ['trust none', true, false, 'Try again'],
    refused: ['Not delivered', false, false, 'Try again'],
    unreachable: ['server can’t be reached', false, false, 'Try again'],
    stopped: ['stopped', false, false, 'Upload'],
    'too-large': ['larger than', false, false, 'Try again'],
    quota: ['is full', false, false, 'Try again'],
    'no-file': ['no longer on this device', false, false, 'Try again'],
    unknown: ['', false, false, t('message.retry')]
  }
  test.each(Object.entries(reasons))('and why not: %s', (name, [reason, compare, anyway, again]) => {
    const failure = name === 'unknown' ? {} : { failure: name as Failure }
    const found = failureOf(mine('failed', failure))
    expect(found).toBe(name)
    const ways = FAILURES[name as Failure]
    if (reason) expect(say(ways.reason)).toContain(reason)
    else expect(ways.reason).toBeUndefined()
    expect([ways.compare, ways.anyway, say(ways.again)]).toEqual([compare, anyway, again])
    // A reason that is left over from an earlier try is no reason now
    for (const progress of ['waiting', 'sent', 'delivered', 'read'] as const)
      expect(failureOf(mine(progress, failure))).toBeUndefined()
    expect(failureOf(message({ progress: 'failed', ...failure }))).toBeUndefined()
  })

  test('no two states look and read the same', () => {
    const all = Object.entries(DELIVERY).map(([progress, { label, shape }]) =>
      JSON.stringify([say(label), shape, progress === 'read'])
    )
    expect(new Set(all).size).toBe(all.length)
    const why = Object.values(FAILURES).map(({ reason }) => say(reason))
    expect(new Set(why).size).toBe(why.length)
  })
})

describe('what can’t be shown says why', () => {
  test.each([
    ['deleted', message({ kind: 'deleted' }), 'This message was deleted', '3 deleted messages'],
    [
      'deleted-by-admin',
      message({ kind: 'deleted', deletedBy: 'tea@groups.example.org' }),
      'An admin deleted this message',
      '3 deleted messages'
    ],
    ['deleted-by-me', mine('sent', { kind: 'deleted' }), 'You deleted this message', '3 deleted messages'],
    ['unreadable', message({ kind: 'unreadable' }), 'can’t be read on this device', '3 messages'],
    ['asked', message({ kind: 'unreadable', asked: true }), 'was asked for it again', '3 messages'],
    [
      'other-method',
      message({ kind: 'unreadable', method: '' }),
      'in a way this app can’t read.',
      '3 messages'
    ],
    ['named-method', message({ kind: 'unreadable', method: 'OTR' }), '(\u2066OTR\u2069)', '3 messages']
  ])('%s', (name, one, text, many) => {
    const absence = absenceOf(one)
    expect(absence).toBe(name)
    if (!absence) return
    const sign = ABSENCES[absence]
    expect(absenceText(one, 1)).toContain(text)
    expect(absenceText(one, 3)).toContain(many)
    expect(preview(one)).toBe(say(sign.short))
    expect(ICONS[sign.icon]).toBeDefined()
  })

  test('and a text is shown as it is, wherever it came from', () => {
    for (const one of [message({}), message({ untrusted: 7, encrypted: false }), mine('failed')]) {
      expect(absenceOf(one)).toBeUndefined()
      expect(preview(one)).toBe('Hello')
    }
  })
})

describe('a person is said to be there only while they are', () => {
  const now = Date.UTC(2026, 10, 30, 12)
  const live = (some: Partial<Live>): Live => ({
    ...{ connection: 'online', progress: undefined, typing: {}, present: {}, lastSeen: {}, leads: true },
    ...some
  })
  test.each([
    ['notes', ME, live({ present: { [ME]: 'online' } }), t('notes.about')],
    ['server', 'example.org', live({ present: { 'example.org': 'online' } }), t('server.about')],
    ['typing', BEN, live({ typing: { [BEN]: 1 }, present: { [BEN]: 'away' } }), t('typing')],
    ['online', BEN, live({ present: { [BEN]: 'online' }, lastSeen: { [BEN]: 1 } }), 'online'],
    ['away', BEN, live({ present: { [BEN]: 'away' } }), 'away'],
    [
      'seen',
      BEN,
      live({ present: { [BEN]: 'offline' }, lastSeen: { [BEN]: now - 1000 } }),
      'last seen just now'
    ],
    ['seen', BEN, live({ lastSeen: { [BEN]: now - 3_600_000 } }), 'last seen today at'],
    ['nothing', BEN, live({ present: { [BEN]: 'offline' } }), ''],
    ['nothing', BEN, live({}), '']
  ])('%s', (name, address, state, text) => {
    expect(presenceOf(address, ME, state)).toBe(name)
    const said = presenceText(address, ME, state, now)
    if (text) expect(said).toContain(text)
    else expect(said).toBe('')
  })

  test('each state has its place in the table', () => {
    expect(Object.keys(PRESENCE).sort()).toEqual(
      ['away', 'group', 'nothing', 'notes', 'online', 'seen', 'server', 'typing'].sort()
    )
  })
})

test('no screen has words of its own for these states', () => {
  const source = join(import.meta.dirname, '../../src')
  const words =
    /['`](?:mark\.|failure\.(?!anyway)|presence\.|message\.(?:untrusted|plain|unreadable|deleted)|message-info\.(?:plain|untrusted))/
  const found = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
    (file) =>
      /^(?:parts|screens)\/.*\.(?:svelte|ts)$/.test(file) &&
      !['parts/states.ts', 'parts/time.ts'].includes(file) &&
      words.test(readFileSync(join(source, file), 'utf8'))
  )
  expect(found).toEqual([])
})
