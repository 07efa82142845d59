/** Who is there (RFC 6121 §4), and what this app can do (XEP-0115): by that the server knows which events it wants. */
import type { Address } from '../local/types'
import { base64 } from '@scure/base'
import { DEVICE_LIST } from './keys'
import { PROFILE_NODES } from './profile'
import { SETTINGS_NODES } from './settings'
import { attribute, bare, child, el, type Made, NS, textOf, type Xml } from './xml'

/** Devices of one account, and accounts, that are remembered: anybody may send any number of presences. */
const MOST_DEVICES = 64
const MOST_ACCOUNTS = 10_000

type There = 'online' | 'away' | 'offline'

const NODE = 'https://kith.invalid/web'
const FEATURES = [
  ...[NS.caps, NS.disco, NS.ping, NS.receipts, NS.markers, NS.states, NS.correct, NS.retract, NS.reactions],
  ...[NS.reply, NS.sid, NS.ephemeral, NS.encryption, NS.styling],
  ...[DEVICE_LIST, ...PROFILE_NODES, ...SETTINGS_NODES].map((node) => `${node}+notify`)
].sort()

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

/** The own presence. */
export async function available(away: boolean): Promise<Made> {
  const caps = el('c', { xmlns: NS.caps, hash: 'sha-1', node: NODE, ver: await verification() })
  return el('presence', { xmlns: NS.client }, away && el('show', {}, 'away'), caps)
}

/** The page goes. */
export function unavailable(): Made {
  return el('presence', { xmlns: NS.client, type: 'unavailable' })
}

/** The answer to disco#info (XEP-0030). */
export function info(query: Xml): Made {
  return el(
    'query',
    { xmlns: NS.disco, node: attribute(query, 'node') || undefined },
    el('identity', { category: 'client', type: 'web', name: 'Kith' }),
    ...FEATURES.map((feature) => el('feature', { var: feature }))
  )
}

/** XEP-0115 §5.1. */
async function verification(): Promise<string> {
  const text = `client/web//Kith<${FEATURES.join('<')}<`
  return base64.encode(new Uint8Array(await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text))))
}

function isAway(presence: Xml): boolean {
  return ['away', 'xa', 'dnd'].includes(textOf(child(presence, NS.client, 'show')))
}
