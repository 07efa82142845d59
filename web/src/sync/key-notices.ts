/**
 * Shows changes of keys to the user: in the conversation, or, for a new device of their own, above the list of chats.
 */
import type { CryptoEvent } from '../crypto/crypto'
import type { Database } from '../local/database'
import { addMessage } from '../local/messages'
import { messageKey, orderAt } from '../local/order'
import type { Address, Moment } from '../local/types'
import { Work } from '../local/work'
import { NEW_DEVICE } from './app'

export async function noteKeys(db: Database, me: Address, event: CryptoEvent, now: Moment): Promise<void> {
  if (event.type === 'new-device') return db.setFact(NEW_DEVICE, now)
  const { account, verified } = event
  await Work.run(db, async (work) => {
    const at = Math.max(now, (await work.chat(account)).at)
    const id = crypto.randomUUID()
    await addMessage(work, me, {
      ...{ key: messageKey(account, me, true, id), chat: account, at, order: orderAt(at), id },
      ...{ from: account, mine: false, kind: 'notice', progress: 'read', reactions: {}, encrypted: true },
      text: verified ? 'keys-changed-verified' : 'keys-changed'
    })
  })
}
