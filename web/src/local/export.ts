/** Exports, measures and deletes everything that a person has on this device. */
import type { Database } from './database'

/** Chats, contacts and messages as JSON; without keys and credentials. */
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

/** The bytes that the app uses on this device; undefined if the browser does not tell. */
export async function storageUsed(): Promise<number | undefined> {
  const estimate = await navigator.storage?.estimate?.()
  return estimate?.usage
}

/** Deletes everything here, also for other tabs. */
export async function wipe(db: Database): Promise<void> {
  // Emptied first, since a tab that keeps the database open would keep its content
  await db.transaction('rw', db.tables, () => Promise.all(db.tables.map((table) => table.clear())))
  await db.delete({ disableAutoOpen: true })
}
