/** Everything that a person has here, for them to keep; what it takes; and its end. */
import type { Database } from './database'

/** As JSON: chats, contacts, messages; no keys, nothing to log in with. */
export async function exported(db: Database, me: string): Promise<Blob> {
  const [chats, contacts] = await Promise.all([db.chats.toArray(), db.contacts.toArray()])
  const parts = [
    `{"account":${JSON.stringify(me)},"contacts":${JSON.stringify(contacts)},`,
    `"chats":${JSON.stringify(chats)},"messages":[`
  ]
  let first = true
  await db.messages.orderBy('[chat+at+order]').each((message) => {
    parts.push(`${first ? '' : ','}\n${JSON.stringify(message)}`)
    first = false
  })
  return new Blob([...parts, ']}\n'], { type: 'application/json' })
}

/** Bytes that the app has on this device; undefined where the browser does not tell. */
export async function storageUsed(): Promise<number | undefined> {
  const estimate = await navigator.storage?.estimate?.()
  return estimate?.usage
}

/** Ends everything here; other tabs lose it, too. */
export async function wipe(db: Database): Promise<void> {
  // Emptied first, since a tab that does not let go of the database would keep what is in it
  await db.transaction('rw', db.tables, () => Promise.all(db.tables.map((table) => table.clear())))
  await db.delete({ disableAutoOpen: true })
}
