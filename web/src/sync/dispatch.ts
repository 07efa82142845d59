/**
 * Handles each received stanza: messages go to the catch-up, which stores them in order; presence, events and requests
 * are handled here. The content of a stanza never ends the connection.
 */
import type { Crypto } from '../crypto/crypto'
import { valueOf } from '../local/by-address'
import { isGroup } from '../local/address'
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import { archiveId, archiveTime, delayed } from '../xmpp/archived'
import { carbon } from '../xmpp/carbons'
import { Refused } from '../xmpp/errors'
import { bare, domainOf } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import { eventOf, type Item } from '../xmpp/pubsub'
import { read } from '../xmpp/received'
import type { Wire } from '../xmpp/wire'
import { attribute, child, el, type OutgoingXml, type Xml } from '../xmpp/xml'
import type { CallSignals } from './call-signals'
import type { Unhandled, Entry } from './unhandled'
import { info } from './caps'
import type { DeviceHistory } from './history'
import type { GroupMessages } from './group-messages'
import type { Groups } from './groups'
import type { Keyless } from './keyless'
import { DEVICE_LIST, devicesOf } from './keys'
import type { Presences } from './presence'
import { PROFILE_NODES, type Profiles } from './profile'
import type { Roster } from './roster'
import { type ChatSettings, SETTINGS_NODES } from './settings'
import type { LiveState } from './live'
import type { Statuses } from './statuses'
import type { Typing } from './typing'

/** Where stanzas are handed to. */
export interface Handlers {
  crypto: Crypto
  keyless: Keyless
  unhandled: Unhandled
  roster: Roster
  profiles: Profiles
  settings: ChatSettings
  history: DeviceHistory
  presences: Presences
  typing: Typing
  groups: Groups
  groupMessages: GroupMessages
  callSignals: CallSignals
  statuses: Statuses
  live: LiveState
  now(): Moment
  /** Stores a message once the session's place in the archive is known. Rejects if nothing can be stored. */
  message(entry: Entry): Promise<void>
}

export class Dispatch {
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wire: Wire,
    private readonly to: Handlers
  ) {}

  /** Rejects only if nothing can be stored, not because of the content of the stanza. */
  async stanza(stanza: Xml): Promise<void> {
    const { name } = stanza
    if (name === 'message') return this.message(stanza)
    try {
      if (name === 'iq') await this.iq(stanza)
      else await this.presence(stanza)
    } catch (error) {
      await this.to.unhandled.count(`${name}: ${String(error)}`)
    }
  }

  private async message(stanza: Xml): Promise<void> {
    const event = eventOf(stanza)
    if (event) {
      await this.event(attribute(stanza, 'from') || this.me, event.node, event.items)
      return
    }
    if (await this.to.statuses.live(stanza)) return
    if (isGroup(bare(attribute(stanza, 'from')), this.me) && (await this.group(stanza))) return
    const copy = carbon(stanza, this.me)
    // A message that falsely claims to be a carbon is a message of its sender, as it is in the archive
    const message = copy?.message ?? stanza
    const delay = delayed(copy?.forwarded ?? stanza)
    const id = archiveId(message, this.me, delay, this.to.now())
    const entry = { id, at: archiveTime(id, delay, this.to.now()), message }
    try {
      const incoming = read(message, this.me, id, entry.at)
      if (!incoming) return
      const { group, chat, from } = incoming
      if (!incoming.mine && !incoming.error && incoming.state && delay === undefined)
        this.to.typing.heard(group ? `${chat}/${from}` : from, incoming.state)
      void this.to.callSignals.live(message, incoming)
    } catch (error) {
      await this.to.unhandled.put(entry, error)
      return
    }
    await this.to.message(entry)
  }

  /** What a group says to this device alone: refusals, receipts, invitations. False: it is a message. */
  private async group(stanza: Xml): Promise<boolean> {
    const type = attribute(stanza, 'type')
    const group = bare(attribute(stanza, 'from'))
    if (type === 'groupchat') return false
    if (type === 'error') await this.to.groupMessages.refused(stanza)
    else if (type === 'headline') await this.to.groupMessages.counted(group, stanza)
    else void this.to.groups.again().catch(() => undefined)
    return true
  }

  private async event(from: Address, node: string, items: Item[]): Promise<void> {
    // Nothing is stored for people who have never written, or anybody could fill the storage
    if (from !== this.me && !(await this.db.contacts.get(from))) return
    const { crypto, profiles, settings } = this.to
    try {
      if (node === DEVICE_LIST) {
        const ids = devicesOf(items)
        await crypto.devicesChanged(from, ids)
        if (ids.length) await this.to.keyless.appeared(from)
      } else if (PROFILE_NODES.includes(node)) void profiles.event(from, node, items).catch(() => undefined)
      else if (from === this.me && SETTINGS_NODES.includes(node)) await settings.event(node, items)
    } catch {
      // The server sends the event again in the next session
    }
  }

  private async iq(iq: Xml): Promise<void> {
    const type = attribute(iq, 'type')
    const answer = (kind: 'result' | 'error', content?: OutgoingXml) => {
      const to = attribute(iq, 'from') || undefined
      this.wire.tell(el('iq', { xmlns: NS.client, type: kind, id: attribute(iq, 'id'), to }, content))
    }
    const refuse = () => answer('error', errorOf(new Refused('service-unavailable', 'cancel')))
    const query = child(iq, NS.disco, 'query')
    const history = type === 'set' ? this.to.history.answer(iq) : undefined
    if (history) {
      // This takes a while, and must not delay later stanzas
      void history.then(
        (content) => answer('result', content),
        (error: unknown) => answer('error', errorOf(error))
      )
    } else if (type === 'set' && (await this.to.roster.push(iq))) {
      answer('result')
      this.to.crypto.retryRequests() // another device of the user may have accepted somebody
    } else if (await this.to.callSignals.iq(iq)) return
    else if (!(await this.maySee(attribute(iq, 'from')))) refuse()
    else if (type === 'get' && child(iq, NS.ping, 'ping')) answer('result')
    else if (type === 'get' && query) answer('result', info(query))
    else refuse()
  }

  /**
   * Whether somebody may learn that this device is online: those who see the user's presence, and the user's own server
   * and devices.
   */
  private async maySee(from: string): Promise<boolean> {
    const account = bare(from)
    if (account === '' || account === this.me || account === domainOf(this.me)) return true
    const subscription = (await this.db.contacts.get(account))?.subscription
    return subscription === 'from' || subscription === 'both'
  }

  private async presence(presence: Xml): Promise<void> {
    const type = attribute(presence, 'type')
    const from = bare(attribute(presence, 'from'))
    if (type === 'error') return
    if (type !== '' && type !== 'unavailable') {
      await this.to.roster.asked(presence)
      return
    }
    if (from === this.me) {
      this.to.history.presence(attribute(presence, 'from'), type === '')
      return
    }
    const taken = this.to.presences.take(presence)
    if (!taken) return
    const { address, there } = taken
    const { live } = this.to
    const { present, lastSeen } = live.value
    const before = valueOf(present, address)
    if (before === undefined && there === 'offline') return
    const left = there === 'offline' && before !== 'offline'
    live.change({
      present: { ...present, [address]: there },
      ...(left && { lastSeen: { ...lastSeen, [address]: this.to.now() } })
    })
  }
}

/** The error of an iq response (RFC 6120 §8.3). */
function errorOf(error: unknown): OutgoingXml {
  const { condition, type } =
    error instanceof Refused ? error : new Refused('internal-server-error', 'cancel')
  return el('error', { type }, el(condition, { xmlns: NS.stanzas }))
}
