/** People who ask to see the user's presence (RFC 6121 §3.1) and are not in the list of chats. */
import type { Database } from '../local/database'
import type { Contact } from '../local/types'
import { isListed } from './chat-order'

export async function contactRequests(db: Database): Promise<Contact[]> {
  const asking = await db.contacts.filter(({ asks, blocked }) => asks && !blocked).toArray()
  const chats = await db.chats.bulkGet(asking.map(({ address }) => address))
  return asking.filter((_, at) => {
    const chat = chats[at]
    return !chat || !isListed(chat)
  })
}
