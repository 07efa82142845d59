import type { Database } from './database'
import { isMutual, type Status } from './statuses'
import type { Address, Contact } from './types'

/** The statuses that may be shown, and who they are of; those of people who were removed or blocked since may not. */
export async function shownStatuses(
  db: Database,
  me: Address
): Promise<{ statuses: Status[]; contacts: Map<Address, Contact> }> {
  const all = await db.statuses.toArray()
  const people = await db.contacts.bulkGet([...new Set([me, ...all.map(({ author }) => author)])])
  const contacts = new Map(people.flatMap((one) => (one ? [[one.address, one]] : [])))
  return { statuses: all.filter(({ author }) => author === me || isMutual(contacts.get(author))), contacts }
}
