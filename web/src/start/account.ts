/** Which account is logged in in this browser, and the name of its database. */
import Dexie from 'dexie'
import { Database } from '../local/database'
import { wipe } from '../local/export'
import type { Address, Credential } from '../local/types'
import type { Login } from './api'

const ADDRESS = 'kith.address'
/** The name of the database, if it is that of an earlier address. */
const DATABASE = 'kith.database'
/** Settings that are kept after a log-out. */
const STAYS = new Set(['kith.theme', 'kith.language', 'kith.text-size'])

export interface Kept {
  address: Address
  db: Database
  /** undefined: the login was ended on another device. */
  credential: Credential | undefined
}

const database = (address: Address): Database =>
  new Database(localStorage.getItem(DATABASE) ?? `kith ${address}`)

/** The last account that was logged in. */
export async function kept(): Promise<Kept | undefined> {
  const address = localStorage.getItem(ADDRESS)
  if (address === null) return undefined
  const db = database(address)
  return { address, db, credential: await db.fact<Credential>('credential') }
}

/** Notes a new login. `other`: another account was here before, whose messages were deleted. */
export async function keep(login: Login): Promise<Kept & { other: boolean }> {
  const before = localStorage.getItem(ADDRESS)
  const other = before !== null && before !== login.address
  if (other) {
    await Dexie.delete(database(before).name)
    localStorage.removeItem(DATABASE)
  }
  const { address, agent, token, mechanism, device } = login
  const credential: Credential = { address, agent, token, mechanism, device }
  const db = database(address)
  await db.setFact('credential', credential)
  localStorage.setItem(ADDRESS, address)
  return { address, db, credential, other }
}

/** The account has a new address; its database keeps its name. */
export function moved(db: Database, address: Address): void {
  localStorage.setItem(DATABASE, db.name)
  localStorage.setItem(ADDRESS, address)
}

/** Deletes all data of a person in this browser. `db`: the database to wipe. */
export async function forget(db?: Database): Promise<void> {
  if (db) await wipe(db)
  for (const key of Object.keys(localStorage))
    if (key.startsWith('kith.') && !STAYS.has(key)) localStorage.removeItem(key)
}

/** Calls `changed` when another window has logged out, or logged in to another account. */
export function watch(changed: () => void): void {
  window.addEventListener('storage', (event) => {
    if (event.key === ADDRESS || event.key === null) changed()
  })
}
