/** The presence of others (RFC 6121 §4). */
import type { Address } from '../local/types'
import { bare } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import { attribute, child, textOf, type Xml } from '../xmpp/xml'

/** The maximum numbers of devices of an account and of accounts, since anybody may send any number of presences. */
const MAX_DEVICES = 64
const MAX_ACCOUNTS = 10_000

type There = 'online' | 'away' | 'offline'

/** A person's presence is that of their most available device. */
export class Presences {
  private readonly devices = new Map<Address, Map<string, There>>()

  /** The new presence of a person; undefined: there is no room for another one. */
  take(presence: Xml): { address: Address; there: There } | undefined {
    const from = attribute(presence, 'from')
    const address = bare(from)
    const devices = this.devices.get(address) ?? new Map<string, There>()
    const there = attribute(presence, 'type') !== 'unavailable'
    const full = devices.size >= MAX_DEVICES || (!devices.size && this.devices.size >= MAX_ACCOUNTS)
    if (there && full && !devices.has(from)) return undefined
    if (there) devices.set(from, isAway(presence) ? 'away' : 'online')
    else devices.delete(from)
    if (there || devices.size) this.devices.set(address, devices)
    else this.devices.delete(address)
    return { address, there: most(devices) }
  }

  /** Everybody whose presence was received in this session. */
  all(): Record<Address, There> {
    return Object.fromEntries([...this.devices].map(([address, devices]) => [address, most(devices)]))
  }

  clear(): void {
    this.devices.clear()
  }
}

function most(devices: Map<string, There>): There {
  const all = [...devices.values()]
  return all.includes('online') ? 'online' : all.length ? 'away' : 'offline'
}

function isAway(presence: Xml): boolean {
  return ['away', 'xa', 'dnd'].includes(textOf(child(presence, NS.client, 'show')))
}
