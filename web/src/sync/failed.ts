/** Queues messages, and changes of messages, again that could not be sent. */
import { findLast } from '../local/chats'
import { orderWaiting } from '../local/order'
import { ofChat } from '../local/queries'
import { takeBack } from '../local/unsent'
import type { Address, Failure, Message, Moment, SentChange } from '../local/types'
import type { Work } from '../local/work'
import { sendEdit, sendPin, sendReaction, sendRetraction } from './message-changes'
import { Queueing } from './queueing'
import { queueUploads } from './upload-queue'

/** Queues all that failed in a chat for one of these reasons, in order. True: there was something. */
export async function requeueFailed(
  work: Work,
  me: Address,
  chat: Address,
  reasons: Failure[],
  now: Moment
): Promise<boolean> {
  const fits = (failure: Failure | undefined): boolean => failure !== undefined && reasons.includes(failure)
  await work.flush()
  const found = await ofChat(work.db, chat)
    .filter(({ mine, progress, failure, unsent = {} }) => {
      if (mine && progress === 'failed' && fits(failure)) return true
      return Object.values(unsent).some((change) => fits(change.failure))
    })
    .toArray()
  for (const message of found)
    if (message.progress === 'failed' && fits(message.failure)) await requeue(work, message, now)
  for (const { key, unsent = {} } of found)
    for (const kind of Object.keys(unsent) as SentChange[])
      if (fits(unsent[kind]?.failure)) await requeueChange(work, me, key, kind, now)
  if (found.length) await findLast(work, chat)
  return found.length > 0
}

/** Queues a message again that was not sent. The caller has to update the last message of the chat. */
export async function requeue(work: Work, message: Message, now: Moment): Promise<void> {
  const { text, reply, forwarded, unstyled, expires, chat, id, mentions, poll, media } = message
  const { outgoing } = work.db
  await outgoing
    .where('id')
    .equals(id)
    .filter((one) => one.to === chat)
    .delete()
  const at = Math.max(now, (await work.chat(chat)).at)
  const timer = expires === undefined ? 0 : Math.ceil((expires - message.at) / 1000)
  const content = {
    ...(reply && { reply }),
    ...(forwarded && { forwarded }),
    ...(unstyled && { unstyled }),
    ...(mentions && { mentions }),
    ...(poll && { poll }),
    ...(media && { media }),
    ...(timer > 0 && { expires: timer })
  }
  if (media) await queueUploads(work.db, media)
  const seq = await outgoing.add({ to: chat, id, what: { type: 'message', text, ...content }, tries: 0 })
  const again: Message = {
    ...message,
    progress: 'waiting',
    encrypted: true, // as far as is known before it is sent
    at,
    order: orderWaiting(seq ?? 0),
    ...(timer > 0 && { expires: at + timer * 1000 })
  }
  delete again.failure
  work.setMessage(again)
}

/** Queues a change of a message again that was not sent, as a new one. */
export async function requeueChange(
  work: Work,
  me: Address,
  key: string,
  kind: SentChange,
  now: Moment
): Promise<void> {
  const failed = await takeBack(work, me, key, kind)
  const message = await work.message(key)
  if (!failed || !message) return
  const on = new Queueing(
    work.db,
    me,
    () => now,
    () => undefined
  )
  const { text = '', emojis = [], until = 0 } = failed
  if (kind === 'edit') await sendEdit(on, work, message, text)
  else if (kind === 'reaction') await sendReaction(on, work, message, emojis)
  else if (kind === 'retraction') await sendRetraction(on, work, message)
  else await sendPin(on, work, message, until)
}
