/** Lists of people to whom the user sends the same message, each in their own chat. They are kept on this device. */
import type { Database } from './database'
import type { Address } from './types'

export interface BroadcastList {
  id: string
  name: string
  people: Address[]
}

/** More people are a group. */
export const MOST_PEOPLE = 256
const LISTS = 'broadcasts'

export async function broadcastLists(db: Database): Promise<BroadcastList[]> {
  return (await db.fact<BroadcastList[]>(LISTS)) ?? []
}

/** Keeps a list, in place of one with the same id. */
export async function keepBroadcastList(db: Database, list: BroadcastList): Promise<void> {
  await db.transaction('rw', db.facts, async () => {
    const others = (await broadcastLists(db)).filter(({ id }) => id !== list.id)
    await db.setFact(LISTS, [...others, list])
  })
}

export async function dropBroadcastList(db: Database, id: string): Promise<void> {
  await db.transaction('rw', db.facts, async () => {
    await db.setFact(
      LISTS,
      (await broadcastLists(db)).filter((one) => one.id !== id)
    )
  })
}
