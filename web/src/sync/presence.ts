/** The presence of others (RFC 6121 §4). */
import type { Address } from '../local/types'
import { bare } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import { attribute, child, textOf, type Xml } from '../xmpp/xml'

/** Devices of one account, and accounts, that are remembered: anybody may send any number of presences. */
const MOST_DEVICES = 64
const MOST_ACCOUNTS = 10_000

type There = 'online' | 'away' | 'offline'

/** Of all devices of a person, the one that is most there counts. */
export class Presences {
  private readonly devices = new Map<Address, Map<string, There>>()

  /** What somebody is now; undefined: nobody whom there is room for. */
  take(presence: Xml): { address: Address; there: There } | undefined {
    const from = attribute(presence, 'from')
    const address = bare(from)
    const devices = this.devices.get(address) ?? new Map<string, There>()
    const there = attribute(presence, 'type') !== 'unavailable'
    const full = devices.size >= MOST_DEVICES || (!devices.size && this.devices.size >= MOST_ACCOUNTS)
    if (there && full && !devices.has(from)) return undefined
    if (there) devices.set(from, isAway(presence) ? 'away' : 'online')
    else devices.delete(from)
    if (there || devices.size) this.devices.set(address, devices)
    else this.devices.delete(address)
    return { address, there: most(devices) }
  }

  /** All who were heard of in this session. */
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
