/**
 * The trust that a new device gets from the one that has linked it (`start/linking.ts`): that device's own keys and
 * those that it has verified, so that nobody has to be compared again. This knows nothing of OMEMO, and runs before it.
 */
import { deviceTime } from '../local/device-time'
import type { Database } from '../local/database'
import type { Address } from '../local/types'
import { base64urlnopad, hex } from '@scure/base'
import { fromBase64url } from '../local/bytes'
import { Store, type Account, type KnownKey, type OwnKeys } from './store'

/** Identity keys without their type, in base64url. `strict`: new devices of my own have to be verified. */
export interface TransferredTrust {
  own: string[]
  strict: boolean
  contacts: Record<Address, string[]>
}

/** The maximum size; the server transports 24 KB in total. */
const MAX_SIZE = 16_000
const MAX_KEYS = 1000
const KEY = /^[A-Za-z0-9_-]{43}$/

export async function exportTrust(db: Database, me: Address): Promise<TransferredTrust> {
  const store = new Store(db)
  const own = await store.get<OwnKeys>('own')
  const carried: TransferredTrust = { own: [], strict: (await store.account(me)).strict, contacts: {} }
  const contacts = new Map<Address, string[]>()
  if (own !== undefined)
    carried.own.push(base64urlnopad.encode(new Uint8Array(own.identity.pubKey).subarray(1)))
  const verified = [...(await store.below<KnownKey>('trust/'))]
    .filter(([, { trust }]) => trust === 'verified')
    .sort(([, a], [, b]) => b.since - a.since)
  let room = MAX_SIZE
  for (const [rest] of verified) {
    const slash = rest.lastIndexOf('/')
    const account = rest.slice(0, slash)
    const key = base64urlnopad.encode(fromHex(rest.slice(slash + 1)))
    room -= key.length + account.length + 10
    if (room < 0) break
    if (account === me) carried.own.push(key)
    else contacts.set(account, [...(contacts.get(account) ?? []), key])
  }
  return { ...carried, contacts: Object.fromEntries(contacts) }
}

/**
 * `carried`: from the `secrets` of the transfer, which may contain anything. To be called before the device's crypto is
 * first opened.
 */
export async function importTrust(db: Database, me: Address, carried: unknown): Promise<void> {
  const { own, strict, contacts } = (carried ?? {}) as Partial<Record<keyof TransferredTrust, unknown>>
  const store = new Store(db)
  await store.together(async () => {
    await verify(store, me, own, strict === true)
    if (typeof contacts !== 'object' || contacts === null) return
    for (const [account, keys] of Object.entries(contacts).slice(0, MAX_KEYS)) {
      if (!account.includes('/')) await verify(store, account, keys, true)
    }
  })
}

async function verify(store: Store, account: Address, keys: unknown, strict: boolean): Promise<void> {
  const good = (Array.isArray(keys) ? keys : []).filter((key): key is string => KEY.test(String(key)))
  for (const key of good.slice(0, MAX_KEYS)) {
    await store.put(`trust/${account}/${hex.encode(fromBase64url(key))}`, {
      trust: 'verified',
      since: deviceTime()
    } satisfies KnownKey)
  }
  if (good.length > 0 && strict) {
    await store.change(account, { strict } satisfies Partial<Account>)
  }
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => parseInt(text.slice(2 * at, 2 * at + 2), 16))
}
