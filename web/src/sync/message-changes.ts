/** My changes of messages: each is stored here at once, and queued for the others. */
import { changeKey } from '../local/changes'
import { addMessage } from '../local/messages'
import { orderAt } from '../local/order'
import { replaceUnsent } from '../local/unsent'
import type { Message, Moment } from '../local/types'
import type { Work } from '../local/work'
import type { Queueing } from './queueing'

export async function sendEdit(
  on: Queueing,
  work: Work,
  edited: Message,
  text: string,
  ownId?: string
): Promise<void> {
  const message = await replaceUnsent(work, on.me, edited, 'edit')
  const timer = message.expires === undefined ? 0 : Math.ceil((message.expires - message.at) / 1000)
  const expires = timer > 0 && { expires: timer }
  const { media } = message
  const what = { type: 'message' as const, text, replaces: message.id, ...(media && { media }), ...expires }
  const { id, waits } = await on.tell(work, message.chat, what, ownId)
  await on.change(work, message, 'edit', { text, id, waits })
}

export async function sendReaction(
  on: Queueing,
  work: Work,
  reacted: Message,
  emojis: string[]
): Promise<void> {
  const message = await replaceUnsent(work, on.me, reacted, 'reaction')
  const earlier = await work.change(changeKey('reaction', message.key, on.me), message.key)
  const replaces = earlier?.emojis?.length ? earlier.id : undefined
  const { id, waits } = await on.tell(work, message.chat, {
    ...{ type: 'reaction', of: message.id, from: message.from, emojis },
    ...(replaces && { replaces })
  })
  await on.change(work, message, 'reaction', { emojis, id: replaces ?? id, sent: id, waits })
}

export async function sendRetraction(on: Queueing, work: Work, message: Message): Promise<void> {
  const { id } = await on.tell(work, message.chat, { type: 'retraction', of: message.id })
  await on.change(work, message, 'retraction', { id })
}

/** Pins a message in the chat until a time; 0 unpins it. */
export async function sendPin(on: Queueing, work: Work, pinned: Message, until: Moment): Promise<void> {
  const message = await replaceUnsent(work, on.me, pinned, 'pin')
  const { chat, id: of, from } = message
  const { id } = await on.tell(work, chat, { type: 'pin', of, from, until })
  await on.change(work, message, 'pin', { until, id })
  if (!until) return
  const at = Math.max(on.now(), (await work.chat(chat)).at)
  await addMessage(work, on.me, {
    ...on.mine(chat, `pin-${id}`, 'pinned'),
    ...{ kind: 'notice', progress: 'sent', at, order: orderAt(at) }
  })
}

export async function sendVote(
  on: Queueing,
  work: Work,
  poll: Message,
  options: { id: string; text: string }[]
): Promise<void> {
  const text = `Vote: ${options.map((one) => one.text).join(', ') || 'none'}`
  const ids = options.map(({ id }) => id)
  const { chat, id: of, from } = poll
  const { id } = await on.tell(work, chat, { type: 'vote', of, from, options: ids, text })
  await on.change(work, poll, 'vote', { emojis: ids, id })
}

export async function sendClose(on: Queueing, work: Work, poll: Message): Promise<void> {
  const { chat, id: of, from } = poll
  const text = `Poll closed: ${poll.poll?.question ?? ''}`
  const { id } = await on.tell(work, chat, { type: 'close', of, from, text })
  await on.change(work, poll, 'close', { id })
}
