/**
 * Shows changes of keys to the user: in the conversation, or, for a new device of their own, above the list of chats.
 */
import type { CryptoEvent } from '../crypto/crypto'
import type { Database } from '../local/database'
import { commonGroups } from '../local/members'
import { addMessage } from '../local/messages'
import { messageKey, orderAt } from '../local/order'
import type { Address, Moment } from '../local/types'
import { Work } from '../local/work'
import { NEW_DEVICE } from './app'

export async function noteKeys(db: Database, me: Address, event: CryptoEvent, now: Moment): Promise<void> {
  if (event.type === 'new-device') return db.setFact(NEW_DEVICE, now)
  const { account, verified } = event
  const text = verified ? 'keys-changed-verified' : 'keys-changed'
  const groups = await commonGroups(db, me, account)
  await Work.run(db, async (work) => {
    const known = await db.chats.get(account)
    for (const chat of known || !groups.length ? [account, ...groups] : groups) {
      const at = Math.max(now, (await work.chat(chat)).at)
      const id = crypto.randomUUID()
      await addMessage(work, me, {
        ...{ key: messageKey(chat, me, true, id), chat, at, order: orderAt(at), id },
        ...{ from: account, mine: false, kind: 'notice', progress: 'read', reactions: {}, encrypted: true },
        text: chat === account ? text : `${text} ${account}`
      })
    }
  })
}
