/** Converts local rows to records, leaving out what must not leave this device. */
import { toAesgcm } from '../local/aesgcm'
import { mediaIn, mediaWritten } from '../local/descriptor'
import { lacksUpload, type Media } from '../local/media'
import { isWaiting, orderOf } from '../local/order'
import type { Address, Change, Chat, Contact, Edit, Message, Moment, Reply } from '../local/types'
import { NOTICE, type ChangeRecord, type ChatRecord, type ContactRecord, type MessageRecord } from './records'

/** The maximum number of earlier versions of one message. */
const MAX_EDITS = 100

/**
 * The record of a message; undefined: it is not exported, as it has expired, waits to be sent, could not be read, or is
 * of a kind that is not exported.
 */
export function messageRecord(message: Message, now: Moment): MessageRecord | undefined {
  const { chat, id, mine, at, kind, text, progress, encrypted, reply, expires } = message
  const { edited, edits, deliveredAt, readAt, pinned, pinOrder, failure } = message
  if (kind !== 'text' && kind !== 'deleted' && kind !== 'notice' && kind !== 'call') return undefined
  if (kind === 'notice' && !NOTICE.test(text)) return undefined
  if (progress === 'waiting' || (expires !== undefined && expires <= now)) return undefined
  const order = isWaiting(message.order) ? orderOf(`failed-${id}`, at) : message.order
  return {
    ...{ type: 'message', v: 1, chat, id, mine, order, kind, text, progress, encrypted },
    // Earlier versions refuse a reason that they don't know
    ...(failure && failure !== 'unreachable' && { failure }),
    ...(reply && { reply: replyRecord(reply) }),
    ...(message.untrusted !== undefined && { untrusted: message.untrusted }),
    ...whichOf(message),
    ...(message.call && { call: message.call }),
    ...(message.twins && { twins: true }),
    ...(message.forwarded && { forwarded: true }),
    ...(message.announcement && { announcement: true }),
    ...(message.unstyled && { unstyled: true }),
    ...(message.standsIn && { standsIn: true }),
    ...(message.media && mediaRecord(message.media)),
    ...(edited !== undefined && { edited }),
    ...(edits && { edits: edits.slice(-MAX_EDITS) }),
    ...(deliveredAt !== undefined && { deliveredAt }),
    ...(readAt !== undefined && { readAt }),
    ...(pinned !== undefined && Number.isFinite(pinned) && { pinned }),
    ...(pinOrder && !isWaiting(pinOrder) && { pinOrder }),
    ...(expires !== undefined && { expires }),
    ...(message.mentions && { mentions: message.mentions }),
    ...(message.forMe && { forMe: true }),
    ...(message.poll && { poll: message.poll }),
    ...(message.deletedBy && { deletedBy: message.deletedBy }),
    ...(message.passedBy && { passedBy: message.passedBy })
  }
}

/** What is not uploaded is of use to this device alone. A file of another app is named as that app did, in the text. */
function mediaRecord(media: Media): Partial<Pick<MessageRecord, 'media' | 'opened' | 'plain' | 'text'>> {
  if (lacksUpload(media)) return {}
  const written = mediaWritten(media, '')
  const { url, key, iv, plain } = media
  if (!plain && mediaIn(written)) return { media: written, ...(media.opened && { opened: true }) }
  if (url === undefined) return {}
  if (plain) return { text: url, plain: true }
  return key !== undefined && iv !== undefined ? { text: toAesgcm(url, iv, key) } : {}
}

/** Identifies the message among those with the same id: by its author in a group, and by its entry in the archive. */
export function whichOf({ mine, archive, from, chat }: Message): { author?: Address; archive?: string } {
  if (mine) return {}
  return { ...(from !== chat && { author: from }), ...(archive && { archive }) }
}

export function changeRecord(message: Message, change: Change): ChangeRecord | undefined {
  const { chat, id, mine } = message
  const { kind, from, order, encrypted, text, emojis, until, earlier } = change
  if (kind === 'received' || kind === 'displayed' || kind === 'alias') return undefined
  if (until !== undefined && !Number.isFinite(until)) return undefined
  return {
    ...{ type: 'change', v: 1, chat, of: id, mine, kind, from, order, encrypted },
    ...whichOf(message),
    ...(change.id !== undefined && { id: change.id }),
    ...(text !== undefined && { text }),
    ...(change.unstyled && { unstyled: true }),
    ...(emojis && { emojis }),
    ...(until !== undefined && { until }),
    ...(change.by !== undefined && { by: change.by }),
    ...(kind === 'edit' && earlier && { earlier: earlier.slice(-MAX_EDITS).map(editRecord) })
  }
}

function editRecord({ id, order, text, unstyled, encrypted }: Edit): Edit {
  return {
    ...{ order, encrypted },
    ...(id !== undefined && { id }),
    ...(text !== undefined && { text }),
    ...(unstyled && { unstyled })
  }
}

export function contactRecord({ address, nick, about, picture }: Contact): ContactRecord {
  return { type: 'contact', v: 1, address, nick, about, picture }
}

export function chatRecord(chat: Chat): ChatRecord {
  const { address, pinned, mutedUntil, archived, disappears, readTo, seenTo, seenAt, draft } = chat
  const place = (order = ''): string => (isWaiting(order) ? '' : order)
  return {
    ...{ type: 'chat', v: 1, address, pinned, muted: mutedUntil === Infinity ? -1 : mutedUntil, archived },
    ...(chat.favourite && { favourite: true }),
    ...{
      disappears,
      timerOrder: place(chat.timerOrder),
      readTo: place(readTo),
      seenTo: place(seenTo),
      draft
    },
    ...(seenAt !== undefined && { seenAt })
  }
}

function replyRecord({ id, from, text, gone, claimed }: Reply): Reply {
  return { id, from, text, ...(gone && { gone }), ...(claimed && { claimed }) }
}
