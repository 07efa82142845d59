/** Parses one record of a history from a line of JSON, which may be damaged or malicious. */
import { LARGEST_PICTURE } from '../local/picture'
import { mentionsIn, MOST_MENTIONS, MOST_OPTIONS, pollIn } from '../local/mentions'
import type { Address, CallEntry, Edit, Failure, Moment, Poll, Reply, Version } from '../local/types'
import { Fields, isKey, Unsound } from './fields'
import { NOTICE, type HistoryRecord } from './records'

/** The content of a line: a record, one of a later version or unknown type, or nothing valid. */
export type Line = { is: 'record'; record: HistoryRecord } | { is: 'unknown'; type: string } | { is: 'bad' }

const LONGEST_TEXT = 300_000
const LONGEST_NAME = 1000
/** A vote has the ids of its options here. */
const MAX_EMOJIS = MOST_OPTIONS
const FAILURES: readonly Failure[] = ['no-device', 'undecided', 'distrusted', 'refused', 'unreachable']
const LONGEST_OPTION_ID = 256
const MAX_GONE = 500
const MAX_EDITS = 100
const YEAR_S = 31_536_000
const DAY_S = 86_400

/** Parses one record. `now`: the server's time; nothing may be later. */
export function lineOf(json: string, now: Moment): Line {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return { is: 'bad' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { is: 'bad' }
  const given = new Fields(value as Record<string, unknown>, now)
  try {
    const type = given.text('type', LONGEST_NAME)
    const version = given.number('v')
    const read = Object.hasOwn(READERS, type) ? READERS[type as keyof typeof READERS] : undefined
    if (!read || version !== 1) return { is: 'unknown', type }
    return { is: 'record', record: read(given) }
  } catch (error) {
    if (error instanceof Unsound) return { is: 'bad' }
    throw error
  }
}

const READERS: { [T in HistoryRecord['type']]: (given: Fields) => Extract<HistoryRecord, { type: T }> } = {
  account: (given) => ({
    ...{ type: 'account', v: 1, account: given.address('account') },
    ...{ made: given.number('made'), total: given.number('total') }
  }),
  contact: (given) => ({
    ...{ type: 'contact', v: 1, address: given.address('address') },
    ...{ nick: given.text('nick', LONGEST_NAME), about: given.text('about', 10 * LONGEST_NAME) },
    picture: hashOf(given, 'picture', true)
  }),
  picture: (given) => {
    const mime = given.text('mime', 100)
    if (!/^image\/(?:png|jpeg|webp|gif|avif)$/.test(mime)) throw new Unsound('mime')
    const data = given.text('data', (LARGEST_PICTURE * 4) / 3 + 4)
    return { type: 'picture', v: 1, hash: hashOf(given, 'hash'), mime, data }
  },
  chat: (given) => ({
    ...{ type: 'chat', v: 1, address: given.address('address'), pinned: given.number('pinned') },
    ...{ muted: given.number('muted', undefined, -1), archived: given.flag('archived') },
    ...(given.set('favourite') && { favourite: true as const }),
    ...{ disappears: given.number('disappears', YEAR_S), timerOrder: given.place('timerOrder') },
    ...{ readTo: given.place('readTo'), seenTo: given.place('seenTo') },
    ...(given.has('seenAt') && { seenAt: given.past('seenAt') }),
    draft: given.text('draft', LONGEST_TEXT)
  }),
  message: (given) => {
    const kind = given.one('kind', ['text', 'deleted', 'notice', 'call'])
    const text = given.text('text', LONGEST_TEXT)
    if (kind === 'notice' && !NOTICE.test(text)) throw new Unsound('text')
    return {
      ...{ type: 'message', v: 1, chat: given.address('chat'), id: given.id('id'), mine: given.flag('mine') },
      ...{ order: given.order('order'), kind, text: kind === 'deleted' ? '' : text },
      progress: given.one('progress', ['failed', 'sent', 'delivered', 'read']),
      ...(given.has('failure') && { failure: given.one('failure', FAILURES) }),
      encrypted: given.flag('encrypted'),
      ...(given.has('untrusted') && { untrusted: given.number('untrusted', 2 ** 31 - 1) }),
      ...given.archive(),
      ...(kind === 'call' && { call: callOf(given.inner('call')) }),
      ...(given.set('twins') && { twins: true as const }),
      ...(given.has('reply') && { reply: replyOf(given.inner('reply')) }),
      ...(given.set('forwarded') && { forwarded: true as const }),
      ...(given.set('announcement') && { announcement: true as const }),
      ...(given.set('unstyled') && { unstyled: true as const }),
      ...(given.set('standsIn') && { standsIn: true as const }),
      ...(given.has('media') && { media: given.list('media', 1) }),
      ...(given.set('opened') && { opened: true as const }),
      ...(given.set('plain') && { plain: true as const }),
      ...(given.has('edited') && { edited: given.past('edited') }),
      ...(given.has('edits') && { edits: given.inners('edits', MAX_EDITS).map(versionOf) }),
      ...(given.has('deliveredAt') && { deliveredAt: given.past('deliveredAt') }),
      ...(given.has('readAt') && { readAt: given.past('readAt') }),
      ...(given.has('pinned') && { pinned: given.future('pinned') }),
      ...(given.has('pinOrder') && { pinOrder: given.order('pinOrder') }),
      ...(given.has('expires') && { expires: given.future('expires') }),
      ...authorOf(given),
      ...(given.has('mentions') && { mentions: mentionsIn(given.list('mentions', MOST_MENTIONS)) }),
      ...(given.set('forMe') && { forMe: true as const }),
      ...(given.has('poll') && { poll: pollOf(given) }),
      ...(given.has('deletedBy') && { deletedBy: given.address('deletedBy') }),
      ...(given.has('passedBy') && { passedBy: given.address('passedBy') })
    }
  },
  change: (given) => {
    const chat = given.address('chat')
    const emojis = given.has('emojis') ? given.list('emojis', MAX_EMOJIS) : undefined
    if (emojis?.some((one) => typeof one !== 'string' || one.length > LONGEST_OPTION_ID))
      throw new Unsound('emojis')
    return {
      ...{ type: 'change', v: 1, chat, of: given.id('of'), mine: given.flag('mine') },
      kind: given.one('kind', ['edit', 'retraction', 'reaction', 'pin', 'alias', 'vote', 'close']),
      ...{ from: given.address('from'), order: given.order('order'), encrypted: given.flag('encrypted') },
      ...given.archive(),
      ...(given.has('id') && { id: given.id('id') }),
      ...(given.has('text') && { text: given.text('text', LONGEST_TEXT) }),
      ...(given.set('unstyled') && { unstyled: true as const }),
      ...(emojis && { emojis: emojis as string[] }),
      ...(given.has('until') && { until: given.future('until') }),
      ...(given.has('earlier') && { earlier: given.inners('earlier', MAX_EDITS).map(editOf) }),
      ...authorOf(given),
      ...(given.has('by') && { by: given.address('by') })
    }
  },
  star: (given) => ({
    ...{ type: 'star', v: 1, chat: given.address('chat'), id: given.id('id'), mine: given.flag('mine') },
    ...authorOf(given),
    ...given.archive()
  }),
  gone: (given) => {
    const keys = given.list('keys', MAX_GONE)
    return { type: 'gone', v: 1, keys: keys.filter(isKey) }
  },
  end: (given) => ({ type: 'end', v: 1, records: given.number('records') })
}

function callOf(given: Fields): CallEntry {
  return {
    id: given.id('id'),
    video: given.flag('video'),
    outcome: given.one('outcome', ['open', 'missed', 'declined', 'busy', 'answered', 'failed']),
    ...(given.has('answered') && { answered: given.past('answered') }),
    ...(given.has('seconds') && { seconds: given.number('seconds', DAY_S) })
  }
}

function authorOf(given: Fields): { author?: Address } {
  return given.has('author') ? { author: given.address('author') } : {}
}

function pollOf(given: Fields): Poll {
  const poll = pollIn(given.inner('poll').of)
  if (!poll) throw new Unsound('poll')
  return poll
}

function replyOf(given: Fields): Reply {
  return {
    ...{ id: given.id('id'), from: given.address('from'), text: given.text('text', LONGEST_TEXT) },
    ...(given.set('gone') && { gone: true as const }),
    ...(given.set('claimed') && { claimed: true as const })
  }
}

function versionOf(given: Fields): Version {
  return { text: given.text('text', LONGEST_TEXT), at: given.past('at') }
}

function editOf(given: Fields): Edit {
  return {
    ...{ order: given.order('order'), encrypted: given.flag('encrypted') },
    ...(given.has('id') && { id: given.id('id') }),
    ...(given.has('text') && { text: given.text('text', LONGEST_TEXT) }),
    ...(given.set('unstyled') && { unstyled: true })
  }
}

function hashOf(given: Fields, name: string, orNone = false): string {
  const hash = given.text(name, 40)
  if (!/^[0-9a-f]{40}$/.test(hash) && !(orNone && hash === '')) throw new Unsound(name)
  return hash
}
