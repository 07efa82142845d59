/**
 * Moves the data of the user's own account to a new address, for example after its number was changed. All in one
 * transaction.
 */
import type { Database } from './database'
import { newChat } from './chat'
import { changeKey } from './changes'
import { names, renamed } from './moves'
import type { Address, Change, Credential, Message } from './types'

/** The name of a fact: the user's former addresses, which messages in the archive still have. */
export const FORMER = 'addresses.former'
/** Facts whose names end with an address, and kinds of encryption keys whose paths contain one between slashes. */
const NAMED = /^(?:older|unsynced (?:read|settings)|refused) /
const KEYS = ['account', 'device', 'trust', 'session', 'healing']

export async function changeAddress(db: Database, to: Address): Promise<void> {
  await db.transaction('rw', db.tables, async () => {
    const credential = await db.fact<Credential>('credential')
    if (!credential || credential.address === to) return
    const from = credential.address
    await db.setFact('credential', { ...credential, address: to })
    const former = (await db.fact<Address[]>(FORMER)) ?? []
    await db.setFact(FORMER, [...former.filter((one) => one !== to && one !== from), from])
    await moveFacts(db, from, to)
    await moveKeys(db, from, to)
    await moveContact(db, from, to)
    await moveHistory(db, from, to)
  })
}

async function moveFacts(db: Database, from: Address, to: Address): Promise<void> {
  const all = await db.facts.filter(({ name }) => NAMED.test(name) && name.endsWith(` ${from}`)).toArray()
  await db.facts.bulkDelete(all.map(({ name }) => name))
  await db.facts.bulkPut(all.map((fact) => ({ ...fact, name: fact.name.slice(0, -from.length) + to })))
}

async function moveKeys(db: Database, from: Address, to: Address): Promise<void> {
  for (const kind of KEYS) {
    const start = `${kind}/${from}`
    const all = (await db.keys.where('path').startsWith(start).toArray()).filter(
      ({ path }) => path === start || path.startsWith(`${start}/`)
    )
    await db.keys.bulkDelete(all.map(({ path }) => path))
    await db.keys.bulkPut(
      all.map((key) => ({ ...key, path: `${kind}/${to}${key.path.slice(start.length)}` }))
    )
  }
}

async function moveContact(db: Database, from: Address, to: Address): Promise<void> {
  const me = await db.contacts.get(from)
  if (!me) return
  await db.contacts.delete(from)
  await db.contacts.put({ ...me, address: to })
}

/** A key, which begins with the address of a chat, with the new address if it is the chat with oneself. */
function keyNow(key: string, from: Address, to: Address): string {
  return key.startsWith(`${from} `) ? to + key.slice(from.length) : key
}

async function moveHistory(db: Database, from: Address, to: Address): Promise<void> {
  const now = (address: Address): Address => (address === from ? to : address)
  await db.messages.toCollection().modify((message: Message, row) => {
    if (names(message, from)) row.value = renamed(message, now)
  })
  const notes = await db.messages.where('key').startsWith(`${from} `).toArray()
  await db.messages.bulkDelete(notes.map(({ key }) => key))
  await db.messages.bulkPut(notes.map((one) => ({ ...one, chat: to, key: keyNow(one.key, from, to) })))

  const own = (change: Change): boolean => change.from === from || change.target.startsWith(`${from} `)
  const changes = await db.changes.filter(own).toArray()
  await db.changes.bulkDelete(changes.map(({ key }) => key))
  await db.changes.bulkPut(
    changes.map((change) => {
      const [target, by] = [keyNow(change.target, from, to), now(change.from)]
      const of = change.kind === 'alias' ? keyNow(change.key.slice('alias '.length), from, to) : undefined
      const key = of === undefined ? changeKey(change.kind, target, by) : `alias ${of}`
      return { ...change, target, from: by, key }
    })
  )
  for (const table of [db.seen, db.words]) {
    const rows = await table.where('key').startsWith(`${from} `).toArray()
    await table.bulkDelete(rows.map(({ key }) => key))
    await (table as typeof db.seen).bulkPut(
      rows.map((row) => ({ ...row, key: keyNow(row.key, from, to), ...('chat' in row && { chat: to }) }))
    )
  }
  const chat = await db.chats.get(from)
  if (chat) {
    const [last, firstUnread] = [keyNow(chat.last, from, to), keyNow(chat.firstUnread, from, to)]
    await db.chats.delete(from)
    await db.chats.put({ ...newChat(to), ...chat, address: to, last, firstUnread })
  }
  await db.raw.where('chat').equals(from).modify({ chat: to })
  await db.outgoing.toCollection().modify((one) => {
    one.to = now(one.to)
    const { what } = one
    if ('from' in what) what.from = now(what.from)
    if (what.type === 'message' && what.reply) what.reply.from = now(what.reply.from)
  })
}
