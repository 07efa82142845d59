/** The methods of `App` that need the connection. The leading tab executes them for all tabs. */
import type { CallAction } from '../calls/types'
import type { Crypto } from '../crypto/crypto'
import type { HistoryRecord } from '../history/records'
import { isAccepted } from '../local/accepted'
import { isGroup } from '../local/address'
import type { Database } from '../local/database'
import type { KeyBuffer } from '../local/key-buffer'
import type { Address, Moment } from '../local/types'
import { chatState } from '../xmpp/composed'
import { groupChatState } from '../xmpp/group-composed'
import { domainOf } from '../xmpp/jid'
import type { Wire } from '../xmpp/wire'
import type { App } from './app'
import type { GroupCalls } from './group-calls'
import type { DeviceHistory } from './history'
import type { Keys } from './keys'
import { whenConnected } from './when-connected'
import type { ProfileChange, Profiles } from './profile'
import type { Resends } from './resends'
import type { Roster } from './roster'
import type { LiveState } from './live'
import type { Usage } from './slots'

/** What the methods use. */
export interface Callees {
  db: Database
  me: Address
  wire: Wire & { nudge(): void }
  live: LiveState
  keyBuffer: KeyBuffer
  crypto: Crypto
  keys: Keys
  roster: Roster
  profiles: Profiles
  resends: Resends
  history: DeviceHistory
  groups: GroupCalls
  now(): Moment
  older(chat: Address): Promise<boolean>
  mediaAddress(url: string): Promise<string>
  usage(): Promise<Usage>
  /** Merges records into the history. Returns the number of new messages. */
  merge(records: HistoryRecord[]): Promise<number>
  call(action: CallAction): Promise<unknown>
  logOut(): Promise<void>
}

type Call = (...args: never[]) => Promise<unknown>
export type Calls = Partial<Record<keyof App, Call>>

export function callsOf(to: Callees): Calls {
  const { db, me, wire, live, keyBuffer, crypto, roster, history } = to
  /** Runs `work` as soon as there is a connection. */
  const soon = <T>(work: () => Promise<T>) => {
    wire.nudge()
    return whenConnected(live, work)
  }
  /**
   * The same for what makes somebody accepted: then messages that could not be read are requested, and their profile.
   */
  const lettingIn = async (address: Address, work: () => Promise<unknown>) => {
    await soon(work)
    crypto.retryRequests(address)
    if (domainOf(address) !== domainOf(me)) to.profiles.meet(address).catch(() => undefined)
  }
  return {
    group: async (action: keyof GroupCalls, ...args: unknown[]) => {
      if (!Object.hasOwn(to.groups, action)) throw new Error(`no ${action}`)
      const run = to.groups[action] as (...args: unknown[]) => Promise<unknown>
      return soon(() => run(...args))
    },
    typing: async (chat: Address, on: boolean) => {
      if (isGroup(chat, me)) {
        const group = await db.groups.get(chat)
        if (group && group.affiliation !== 'none' && !group.invited && wire.online)
          wire.tell(groupChatState(chat, on))
        return
      }
      const told = await isAccepted(db, me, chat)
      if (told && wire.online) wire.tell(chatState(chat, on))
    },
    call: (action: CallAction) => to.call(action),
    older: (chat: Address) => to.older(chat),
    mediaAddress: (url: string) => soon(() => to.mediaAddress(url)),
    usage: () => soon(() => to.usage()),
    addContact: (address: Address, name: string) => lettingIn(address, () => roster.add(address, name)),
    renameContact: (address: Address, name: string) => soon(() => roster.rename(address, name)),
    removeContact: (address: Address) => soon(() => roster.remove(address)),
    acceptContact: (address: Address) => lettingIn(address, () => roster.accept(address)),
    block: (address: Address, on: boolean) => lettingIn(address, () => roster.block(address, on)),
    report: async (address: Address, reason: 'spam' | 'abuse', ids: string[], block: boolean) => {
      // Reporting requires blocking (XEP-0377 §3), so somebody who should not be blocked is unblocked again
      const stays = block || (await db.contacts.get(address))?.blocked
      await soon(() => roster.report(address, reason, ids))
      if (!stays) await lettingIn(address, () => roster.block(address, false))
    },
    askLastSeen: async (address: Address) => {
      const moment = await roster.lastSeen(address, to.now())
      if (moment !== undefined) live.change({ lastSeen: { ...live.value.lastSeen, [address]: moment } })
    },
    setProfile: (profile: ProfileChange) => soon(() => to.profiles.set(profile)),
    hasDevices: async (account: Address) => {
      const known = await crypto.fingerprints(account)
      return known.some((one) => one.active) || (await to.keys.devices(account)).length > 0
    },
    fingerprints: (account: Address) => crypto.fingerprints(account),
    safetyNumber: (account: Address) => crypto.safetyNumber(account),
    safetyCode: (account: Address) => crypto.safetyCode(account),
    compareCode: async (account: Address, scanned: string) => {
      const fits = await crypto.compareCode(account, scanned)
      await keyBuffer.flush()
      if (fits) await to.resends.trusted(account)
      return fits
    },
    setTrust: async (account: Address, device: number, trust: 'verified' | 'first-use' | 'distrusted') => {
      await crypto.setTrust(account, device, trust)
      await keyBuffer.flush()
      if (trust !== 'distrusted') await to.resends.trusted(account)
    },
    wantHistory: (on: boolean) => history.requests.wish(on),
    compareHistory: (device: number, same: boolean) => history.requests.compared(device, same),
    decideHistory: (device: number, agree: boolean) => history.requests.decide(device, agree),
    takeHistory: async () => history.wake(),
    stopTaking: () => history.stopTaking(),
    stopGiving: (id: string) => history.stopGiving(id),
    mergeRecords: (records: HistoryRecord[]) => to.merge(records),
    logOut: () => to.logOut()
  }
}
