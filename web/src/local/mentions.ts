/**
 * Content of a message beside its text: mentions, polls, votes, pins (docs/protocol.md, Groups), and media
 * (docs/media.md). Whatever others send is checked, bounded, and left out if it has not the right form.
 */
import { LONGEST_NAME, cleanName } from './names'
import { type Described, mediaIn, mediaUrl } from './descriptor'
import { isRecord } from './records'
import type { Address, Mention, Moment, Note, Poll } from './types'

export const MOST_MENTIONS = 256
export const MOST_OPTIONS = 32
const LONGEST_OPTION = 200
const LONGEST_QUESTION = 500
const LONGEST_ID = 256
const LONGEST_TEXT = 1_000_000

export interface Extra {
  mentions?: Mention[]
  poll?: Poll
  vote?: { of: string; options: string[] }
  close?: { of: string }
  pin?: { id: string; from: Address; until: Moment }
  /** The origin id of a message that is passed on. */
  original?: string
  media?: Described
  /** The id of a message that has this text as its caption. */
  caption?: string
  note?: Note
}

export function extraOf(json: string | undefined): Extra {
  if (json === undefined) return {}
  let said: unknown
  try {
    said = JSON.parse(json)
  } catch {
    return {}
  }
  if (!isRecord(said)) return {}
  const mentions = mentionsIn(said['mentions'])
  const poll = pollIn(said['poll'])
  const vote = voteOf(said['vote'])
  const close = isRecord(said['close']) ? idOf(said['close']['of']) : undefined
  const pin = pinOf(said['pin'])
  const original = idOf(said['original'])
  return {
    ...(mentions.length && { mentions }),
    ...(poll && { poll }),
    ...(vote && { vote }),
    ...(close && { close: { of: close } }),
    ...(pin && { pin }),
    ...(original !== undefined && { original }),
    ...mediaOf(said)
  }
}

function mediaOf(said: Record<string, unknown>): Pick<Extra, 'media' | 'caption' | 'note'> {
  const media = mediaIn(said['media'])
  const caption = idOf(said['caption'])
  const note = noteOf(said)
  return { ...(media && { media }), ...(caption !== undefined && { caption }), ...(note && { note }) }
}

function noteOf(said: Record<string, unknown>): Note | undefined {
  const heard = idOf(said['heard'])
  if (heard !== undefined) return { heard }
  const { reupload, reuploaded } = said
  const asked = isRecord(reupload) ? reupload : isRecord(reuploaded) ? reuploaded : {}
  const [id, url] = [idOf(asked['id']), mediaUrl(asked['url'])]
  if (id === undefined || url === undefined) return undefined
  if (asked === reupload) return { reupload: { id, url } }
  const at = mediaUrl(asked['at'])
  return at === undefined ? undefined : { reuploaded: { id, url, at } }
}

export function mentionsIn(value: unknown): Mention[] {
  const found: Mention[] = []
  for (const one of Array.isArray(value) ? value.slice(0, MOST_MENTIONS) : []) {
    if (!isRecord(one)) continue
    const { start, end } = one
    const jid = one['all'] === true || one['jid'] === '' ? '' : idOf(one['jid'])
    if (jid === undefined || !isPlace(start) || !isPlace(end) || start >= end) continue
    found.push({ jid, start, end })
  }
  found.sort((a, b) => a.start - b.start)
  return found.filter((one, at) => at === 0 || one.start >= (found[at - 1]?.end ?? 0))
}

export function pollIn(value: unknown): Poll | undefined {
  if (!isRecord(value) || typeof value['question'] !== 'string' || !Array.isArray(value['options']))
    return undefined
  const options = new Map<string, string>()
  for (const one of value['options'].slice(0, MOST_OPTIONS) as unknown[]) {
    const id = isRecord(one) ? idOf(one['id']) : undefined
    if (id === undefined || !isRecord(one) || typeof one['text'] !== 'string' || options.has(id)) continue
    options.set(id, lineOf(one['text'], LONGEST_OPTION))
  }
  if (options.size < 2) return undefined
  return {
    question: lineOf(value['question'], LONGEST_QUESTION),
    options: [...options].map(([id, text]) => ({ id, text })),
    several: value['several'] === true
  }
}

function voteOf(value: unknown): Extra['vote'] {
  if (!isRecord(value) || !Array.isArray(value['options'])) return undefined
  const of = idOf(value['of'])
  if (of === undefined) return undefined
  const options = (value['options'] as unknown[]).slice(0, MOST_OPTIONS).map(idOf)
  return { of, options: [...new Set(options.filter((one) => one !== undefined))] }
}

function pinOf(value: unknown): Extra['pin'] {
  if (!isRecord(value)) return undefined
  const [id, from] = [idOf(value['id']), idOf(value['from'])]
  const until = value['until']
  if (id === undefined || from === undefined || typeof until !== 'number' || !(until >= 0)) return undefined
  return { id, from, until: Number.isFinite(until) ? until : 0 }
}

/** Text in lines of the app: without what changes direction or overflows. */
function lineOf(text: string, most: number): string {
  const parts = [...text].slice(0, most).join('').split('\n')
  return parts.map((part) => (part.length > LONGEST_NAME ? part : cleanName(part) || part.trim())).join(' ')
}

function idOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_ID ? value : undefined
}

function isPlace(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < LONGEST_TEXT
}
