/** Updates a chat after the user has decided to trust a device of the other person. */
import type { Fingerprint } from '../crypto/crypto'
import type { Database } from '../local/database'
import { findLast } from '../local/chats'
import { ofChat } from '../local/queries'
import { orderWaiting } from '../local/order'
import type { Address, Failure, Message, Moment } from '../local/types'
import { Work } from '../local/work'

/** The failures that end when a device is trusted. */
const MENDED: (Failure | undefined)[] = ['undecided', 'distrusted']

/** Why a message could not be encrypted for anybody, judging by the recipient's devices. */
export function failureOf(known: Fingerprint[]): Failure {
  const active = known.filter((one) => one.active)
  if (active.some(({ trust }) => trust === 'undecided')) return 'undecided'
  return active.length && active.every(({ trust }) => trust === 'distrusted') ? 'distrusted' : 'no-device'
}

/**
 * Queues messages again that were not sent because no device was trusted, and removes the label "untrusted" from
 * received messages. True: something waits to be sent.
 */
export async function afterTrust(
  db: Database,
  account: Address,
  known: Fingerprint[],
  now: Moment
): Promise<boolean> {
  const good = known.filter(({ trust }) => trust === 'verified' || trust === 'first-use')
  if (!good.length) return false
  const reached = good.some((one) => one.active)
  return Work.run(db, async (work) => {
    const all = await ofChat(db, account)
      .filter((one) => one.untrusted !== undefined || (reached && MENDED.includes(one.failure)))
      .toArray()
    let queued = false
    for (const message of all) {
      if (message.progress === 'failed' && message.mine) {
        await requeue(work, message, now)
        queued = true
      } else if (good.some(({ device }) => device === message.untrusted)) {
        const now = { ...message, encrypted: true }
        delete now.untrusted
        work.setMessage(now)
      }
    }
    if (queued) await findLast(work, account)
    return queued
  })
}

/** Queues a message again that was not sent. The caller has to update the last message of the chat. */
export async function requeue(work: Work, message: Message, now: Moment): Promise<void> {
  const { text, reply, forwarded, unstyled, expires, chat, id } = message
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
    ...(timer > 0 && { expires: timer })
  }
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
