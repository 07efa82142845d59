/** The devices of a group's members, and their keys, in few requests (docs/protocol.md, Groups). */
import type { Bundle } from '../crypto/crypto'
import type { Address, Moment } from '../local/types'
import { NS } from '../xmpp/ns'
import type { Wire } from '../xmpp/wire'
import { attribute, child, children, el, first } from '../xmpp/xml'
import { bundleIn } from './bundles'

/** How long the devices of a group are used, in milliseconds. */
const FRESH_MS = 60_000
/** How many bundles a group gives at once. */
const MOST_BUNDLES = 50

interface Devices {
  number: number
  at: Moment
  all: Map<Address, number[]>
}

export class GroupKeys {
  private readonly known = new Map<Address, Devices>()

  constructor(
    private readonly wire: Wire,
    private readonly now: () => Moment
  ) {}

  /** The members may have changed. */
  forget(group: Address): void {
    this.known.delete(group)
  }

  /** The published devices of all members, for the number of the group that they had then. */
  async devices(group: Address, number: number): Promise<Devices> {
    const known = this.known.get(group)
    if (known?.number === number && Math.abs(this.now() - known.at) < FRESH_MS) return known
    const answer = await this.wire.request('get', group, el('devices', { xmlns: NS.groups }))
    const list = child(answer, NS.groups, 'devices')
    const all = new Map<Address, number[]>()
    for (const device of children(list, NS.groups, 'device')) {
      const jid = attribute(device, 'jid')
      all.set(jid, [...(all.get(jid) ?? []), Number(attribute(device, 'id'))])
    }
    const found = { number: Number(attribute(list, 'number')), at: this.now(), all }
    this.known.set(group, found)
    return found
  }

  /** The devices of one member. */
  async devicesOf(group: Address, jid: Address): Promise<number[]> {
    const request = el('devices', { xmlns: NS.groups }, el('member', { jid }))
    const list = child(await this.wire.request('get', group, request), NS.groups, 'devices')
    return children(list, NS.groups, 'device')
      .filter((device) => attribute(device, 'jid') === jid)
      .map((device) => Number(attribute(device, 'id')))
  }

  /** Implements `BundleSource` for members of a group. */
  async bundles(group: Address, devices: [Address, number][]): Promise<(Bundle | undefined)[]> {
    const found = new Map<string, Bundle>()
    for (let at = 0; at < devices.length; at += MOST_BUNDLES) {
      const some = devices.slice(at, at + MOST_BUNDLES)
      const wanted = some.map(([jid, id]) => el('device', { jid, id: String(id) }))
      const answer = await this.wire.request('get', group, el('bundles', { xmlns: NS.groups }, ...wanted))
      for (const one of children(child(answer, NS.groups, 'bundles'), NS.groups, 'bundle')) {
        const bundle = bundleIn(first(one))
        if (bundle) found.set(`${attribute(one, 'jid')} ${attribute(one, 'id')}`, bundle)
      }
    }
    return devices.map(([jid, id]) => found.get(`${jid} ${id}`))
  }
}
