/** Creates and updates rows of contacts. */
import { newContact } from '../local/contact'
import type { Database } from '../local/database'
import type { Address, Contact } from '../local/types'

/** Creates a row for somebody unknown. True: it is new. */
export async function meet(db: Database, address: Address): Promise<boolean> {
  if (await db.contacts.get(address)) return false
  await db.contacts.put(newContact(address))
  return true
}

/** Changes a row, or creates it. */
export async function updateContact(db: Database, address: Address, change: Partial<Contact>): Promise<void> {
  await db.transaction('rw', db.contacts, async () => {
    await db.contacts.put({ ...((await db.contacts.get(address)) ?? newContact(address)), ...change })
  })
}
