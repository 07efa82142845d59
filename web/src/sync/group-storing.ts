/** Stores what is only in groups, within one transaction: notices, votes and pins. */
import { addChange, changeKey } from '../local/changes'
import { messageKey } from '../local/order'
import type { Extra } from '../local/mentions'
import type { Address, Change, Mention, Message, Moment, Reply } from '../local/types'
import type { Work } from '../local/work'
import type { ReceivedMessage } from '../xmpp/received'
import { LONGEST_PIN } from '../xmpp/sealed'
import { inGroup, keep } from './group-references'

/** Whether it was a vote, the end of a poll, or a pin, which are no messages of their own. */
export async function extraActs(
  work: Work,
  me: Address,
  incoming: ReceivedMessage,
  extra: Extra,
  now: Moment,
  add: (message: Message) => Promise<Message | undefined>
): Promise<boolean> {
  const { chat, from, mine, id, at } = incoming
  const order = incoming.archive
  const store = async (
    kind: Change['kind'],
    target: Message,
    content: Partial<Pick<Change, 'emojis' | 'until' | 'id'>>
  ) => {
    const key = changeKey(kind, target.key, from)
    return addChange(work, me, { key, target: target.key, kind, from, order, encrypted: true, ...content })
  }
  if (extra.vote) {
    const poll = await inGroup(work, chat, extra.vote.of)
    if (!poll || poll.kind === 'unreadable') {
      await keep(work, incoming, extra.vote.of, 'vote', { emojis: extra.vote.options, id })
      return true
    }
    const known = new Set(poll.poll?.options.map((option) => option.id))
    const options = extra.vote.options.filter((one) => known.has(one)).slice(0, poll.poll?.several ? 32 : 1)
    if (poll.poll) await store('vote', poll, { emojis: options, id })
    return true
  }
  if (extra.close) {
    const poll = await inGroup(work, chat, extra.close.of, from)
    if (poll?.poll) await store('close', poll, { id })
    else if (!poll || poll.kind === 'unreadable') await keep(work, incoming, extra.close.of, 'close', { id })
    return true
  }
  if (!extra.pin) return false
  const target = await inGroup(work, chat, extra.pin.id, extra.pin.from)
  const until = Math.min(extra.pin.until, at + LONGEST_PIN)
  if (!target) {
    await keep(work, incoming, extra.pin.id, 'pin', { until, id, text: extra.pin.from })
    return true
  }
  const before = target.pinned ?? 0
  await store('pin', target, { until, id })
  if (until > now && before <= now) {
    const base = {
      chat,
      at,
      order,
      from,
      mine,
      id: `pin-${id}`,
      kind: 'notice' as const,
      text: `pinned ${from}`
    }
    const key = messageKey(chat, from, mine, base.id)
    await add({ ...base, key, progress: mine ? 'sent' : 'read', reactions: {}, encrypted: true })
  }
  return true
}

/** A notice of the group is a row of the conversation. */
export async function notice(
  incoming: ReceivedMessage,
  add: (message: Message) => Promise<Message | undefined>
): Promise<void> {
  const { chat, archive, at, change } = incoming
  if (!change || !archive || !worthTelling(change.change)) return
  const { by } = change.change
  await add({
    ...{ key: messageKey(chat, chat, false, archive), chat, at, order: archive, archive, id: archive },
    ...{ from: by || chat, mine: false, kind: 'notice', text: 'group', change: change.change },
    ...{ progress: 'read', reactions: {}, encrypted: true }
  })
}

/** A new nickname alone is not worth a line. */
function worthTelling({
  members,
  name,
  description,
  asks,
  what
}: NonNullable<ReceivedMessage['change']>['change']) {
  const moved = members.some((one) => one.affiliation !== one.was || one.moved !== undefined)
  return moved || name !== undefined || description !== undefined || asks !== undefined || what !== undefined
}

/** Whether a message of somebody is for the user: it mentions them, or everybody, or answers them. */
export function isForMe(me: Address, mentions: Mention[] | undefined, reply: Reply | undefined): boolean {
  return (
    mentions?.some(({ jid }) => jid === '' || jid === me) === true || (reply?.from === me && !reply.claimed)
  )
}
