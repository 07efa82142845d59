/** The people who are accepted: only they get receipts and read markers, and only they can set the timer of a chat. */
import type { Database } from './database'
import { ofChat } from './queries'
import type { Address } from './types'

/** Whether somebody is in my contacts, may see my presence, or was written to by me. */
export async function isAccepted(db: Database, me: Address, address: Address): Promise<boolean> {
  if (address === me) return true
  const contact = await db.contacts.get(address)
  if (contact?.blocked) return false
  if (contact?.inRoster || contact?.subscription === 'from' || contact?.subscription === 'both') return true
  const written = await ofChat(db, address)
    .filter(({ mine, kind }) => mine && kind !== 'notice')
    .first()
  return written !== undefined
}
