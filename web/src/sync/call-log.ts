/**
 * Calls in the conversation, within one transaction. The messages about a call (XEP-0353) are in the archive of both
 * sides, so all devices come to the same entry, whichever of them had the call, and in whatever order they learn of it.
 */
import { type CallMessage, callMessageIn } from '../calls/messages'
import { countUnread } from '../local/chats'
import { messageKey } from '../local/order'
import type { CallEntry, Message, Moment } from '../local/types'
import type { Work } from '../local/work'
import type { ReceivedMessage } from '../xmpp/received'
import { orderOfEntry } from './references'

/** A proposal that is older has not been answered. */
const RING_MS = 60_000
/** A call of a day: what says that it ended is from another one, or was late. */
const LONGEST_SECONDS = 86_400

/** What is known later counts more. */
const RANK: Record<CallEntry['outcome'], number> = {
  open: 0,
  missed: 1,
  declined: 2,
  busy: 2,
  answered: 3,
  failed: 4
}

/** Returns the entry if it tells of a call that the user has missed, and nothing did before. */
export async function logCall(
  work: Work,
  me: string,
  incoming: ReceivedMessage,
  now: Moment,
  add: (message: Message) => Promise<Message | undefined>
): Promise<Message | undefined> {
  const said = incoming.call && callMessageIn({ ...EMPTY, children: [incoming.call.element] })
  if (!said || incoming.chat === me || said.type === 'ringing' || said.type === 'accept') return undefined
  const before = await entryOf(work, incoming, said)
  if (!before) {
    if (said.type !== 'propose' || !said.audio) return undefined
    const outcome = now - incoming.at > RING_MS ? 'missed' : 'open'
    return add(newEntry(incoming, said, outcome))
  }
  if (!before.call) return undefined
  if (said.tieBreak && said.type !== 'finish') {
    // the other call of both is the one
    await work.remove([before.key])
    await countUnread(work, await work.chat(before.chat))
    return undefined
  }
  const call = changed(before.call, said, before, incoming)
  if (call === before.call) return undefined
  work.setMessage({ ...before, call })
  await countUnread(work, await work.chat(before.chat))
  return call.outcome === 'missed' && !before.mine ? { ...before, call } : undefined
}

function changed(
  call: CallEntry,
  { type, reason }: CallMessage,
  entry: Message,
  { mine, at }: ReceivedMessage
): CallEntry {
  const byCaller = entry.mine === mine
  if (type === 'proceed' && !byCaller && call.answered === undefined)
    return { ...raised(call, 'answered'), answered: at }
  if (type === 'reject' && !byCaller) return raised(call, reason === 'busy' ? 'busy' : 'declined')
  if (type === 'retract' && byCaller) return raised(call, 'missed')
  if (type !== 'finish' || call.seconds !== undefined || call.answered === undefined) return call
  const seconds = Math.round((at - call.answered) / 1000)
  if (seconds < 0 || seconds > LONGEST_SECONDS) return call
  const failed = reason !== 'success' && reason !== 'expired' && reason !== 'gone'
  return failed && seconds < 60 ? raised(call, 'failed') : { ...call, seconds }
}

function raised(call: CallEntry, outcome: CallEntry['outcome']): CallEntry {
  return RANK[outcome] > RANK[call.outcome] ? { ...call, outcome } : call
}

async function entryOf(
  work: Work,
  { chat }: ReceivedMessage,
  { id }: CallMessage
): Promise<Message | undefined> {
  return (
    (await work.message(messageKey(chat, chat, true, keyId(id)))) ??
    work.message(messageKey(chat, chat, false, keyId(id)))
  )
}

function newEntry(
  incoming: ReceivedMessage,
  { id, video }: CallMessage,
  outcome: CallEntry['outcome']
): Message {
  const { chat, from, mine, archive, at } = incoming
  return {
    ...{
      key: messageKey(chat, from, mine, keyId(id)),
      chat,
      at,
      from,
      mine,
      id: keyId(id),
      kind: 'call',
      text: ''
    },
    ...{ order: orderOfEntry({ archive, at }), ...(archive && { archive }) },
    ...{ progress: mine ? 'sent' : 'read', reactions: {}, encrypted: true },
    call: { id, video, outcome }
  }
}

/** The id of an entry, which no message has. */
function keyId(id: string): string {
  return `call-${id}`
}

const EMPTY = { name: 'message', namespace: 'jabber:client', attributes: new Map<string, string>() }
