/** Opens the app for a logged-in account: builds the parts of `sync/` and returns them as `App`. */
import type { CallEvent } from '../calls/types'
import type { Crypto, Fingerprint, KeyNetwork } from '../crypto/crypto'
import type { HistoryRecord } from '../history/records'
import type { Database } from '../local/database'
import { ServerClock } from '../local/clock'
import { deviceTime } from '../local/device-time'
import { EnteredTexts } from '../local/entered'
import { exported, wipe } from '../local/export'
import { isQuiet } from '../local/chat'
import { FORMER, changeAddress } from '../local/address-change'
import { search } from '../local/search'
import type { Address, Credential, Message } from '../local/types'
import { ChatActions } from './chat-actions'
import { Entering } from './entering'
import { MediaOrigin, originOf } from '../media/origin'
import { MediaActions } from './media-actions'
import { MediaSources } from './media-sources'
import { MessageActions } from './message-actions'
import { Queueing } from './queueing'
import { SmallPictures } from './small-pictures'
import { Timers } from './timers'
import type { App, Live, SendOptions } from './app'
import { acknowledge } from './unhandled'
import { Engine } from './engine'
import { sendUnencrypted } from './keyless'
import { Store } from './store'
import { StatusActions } from './status-actions'
import { Tabs } from './tabs'

/** What the app depends on. */
export interface Deps {
  /** The URL of the WebSocket: `wss://example.org/xmpp-websocket`. */
  url: string
  /** Opens the encryption. Called once, in the leading tab. */
  crypto(db: Database, me: Address, network: KeyNetwork): Promise<Crypto>
  /** Ends this device's login through the HTTP API. */
  endLogin?(credential: Credential): Promise<void>
  /**
   * After the server has refused this login: the account's current address, for example after its number was changed;
   * undefined: the login has ended. Rejects if the server can't be reached.
   */
  whereabouts?(credential: Credential): Promise<Address | undefined>
  /** The data are now stored under that address; the app has to be opened again. */
  moved?(address: Address): void
  /** What this device is called in the account's list. */
  device?: string
  /** For tests: replacements of the browser's. `locks` or `channel` undefined: this is the only tab. */
  WebSocket?: typeof WebSocket
  locks?: LockManager | undefined
  channel?: BroadcastChannel | undefined
  now?: () => number
  /** For tests: milliseconds without a visible window until the presence becomes "away". */
  awayAfter?: number
  /** Storage for texts that are entered but not stored yet; by default the browser's `localStorage`. */
  storage?: Storage | undefined
}

const NOTHING: Live = {
  connection: 'offline',
  progress: undefined,
  typing: {},
  present: {},
  lastSeen: {},
  leads: false
}

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 60_000

type News = { chat: Address; key: string; text: string }

/**
 * Opens the app on the stored data. It works at once, and connects by itself. The credential is stored unless the
 * database has one already, which may be newer.
 */
export async function openApp(db: Database, credential: Credential, deps: Deps): Promise<App> {
  await db.open()
  const me = credential.address
  const stored = await db.fact<Credential>('credential')
  if (stored?.agent !== credential.agent) await db.setFact('credential', credential)

  const clock = new ServerClock(deps.now ?? deviceTime)
  await clock.follow(db)
  const now = () => clock.now()
  const live = new Store<Live>(NOTHING)
  const listeners = new Set<(news: News) => void>()
  const callListeners = new Set<(event: CallEvent) => void>()
  const name = `kith ${db.name}`
  let engine: Engine | undefined

  const tell = async (messages: Message[]) => {
    for (const { key } of messages) {
      // It may have been edited or deleted in the meantime
      const message = await db.messages.get(key)
      if (message?.kind !== 'text' && message?.method === undefined) continue
      const chat = await db.chats.get(message.chat)
      const old = now() - message.at > 60_000
      if (!chat || old || isQuiet(chat, message, now()) || message.order <= chat.readTo) continue
      for (const listener of listeners) {
        listener({ chat: message.chat, key: message.key, text: message.text })
      }
    }
  }
  const loggedOut = () => live.set({ ...NOTHING, connection: 'logged-out', leads: live.value.leads })

  /**
   * The server refuses the login at this address. Either the account has another address now, or the login has ended.
   */
  const refused = async () => {
    const last = await db.fact<Credential>('credential')
    const address = last && (await persistently(() => deps.whereabouts?.(last)))
    if (address !== undefined && address !== me) {
      await changeAddress(db, address)
      deps.moved?.(address)
      return
    }
    await forgetLogin(db).finally(() => {
      loggedOut()
      tabs.end()
    })
  }

  const tabs = new Tabs({
    lock: name,
    locks: 'locks' in deps ? deps.locks : globalThis.navigator?.locks,
    channel: 'channel' in deps ? deps.channel : new BroadcastChannel(name),
    live: (value) => live.set({ ...value, leads: false }),
    ended: loggedOut,
    event: (event) => callListeners.forEach((listener) => listener(event)),
    lead: async () => {
      engine = await Engine.open(
        db,
        me,
        {
          url: deps.url,
          WebSocket: deps.WebSocket ?? WebSocket,
          device: deps.device ?? 'Web',
          crypto: deps.crypto,
          ...(deps.awayAfter !== undefined && { awayAfter: deps.awayAfter }),
          ...(deps.endLogin && { endLogin: deps.endLogin }),
          now,
          expiryTime: () => clock.expiryTime(),
          clock: (server) => (server === undefined ? clock.useLastOffset() : clock.set(db, server)),
          callEvent: (event) => tabs.tellEvent(event),
          news: (messages) => void tell(messages).catch(() => undefined),
          revoked: () => {
            engine?.stop()
            void refused()
          }
        },
        live
      )
      return engine
    }
  })
  live.subscribe((value) => {
    if (value.leads) tabs.tell(value)
  })
  if (typeof window !== 'undefined') {
    window.addEventListener('online', () => engine?.nudge())
    window.addEventListener('pagehide', () => engine?.leave())
    window.addEventListener('pageshow', () => engine?.nudge())
  }
  tabs.start()

  const entries = new EnteredTexts('storage' in deps ? deps.storage : browserStorage(), db.name)
  const queueing = new Queueing(db, me, now, () => tabs.woken())
  const timers = new Timers(queueing)
  const entering = new Entering(queueing, entries, timers, tabs.tab)
  const send = (chat: Address, text: string, options: SendOptions = {}) =>
    entering.enter(chat, text, options).stored
  const messageActions = new MessageActions(queueing, send)
  const chatActions = new ChatActions(queueing)
  const statusActions = new StatusActions(db, me, now, () => tabs.woken())
  await entering.takeUp()
  const call = async <T>(method: keyof App, ...args: unknown[]): Promise<T> =>
    (await tabs.call(method, args)) as T
  const origin = new MediaOrigin(originOf(deps.url))
  const sources = new MediaSources(db, origin, (url) => call<string>('mediaAddress', url))
  const smallPictures = new SmallPictures(db, () => queueing.now())
  const mediaActions = new MediaActions(queueing, origin, sources, send)

  return {
    db,
    me,
    live,
    tab: tabs.tab,
    now,
    enter: (chat, text, options) => entering.enter(chat, text, options),
    send,
    edit: (key, text) => entering.enter(key.slice(0, key.indexOf(' ')), text, { edits: key }).stored,
    sendMedia: (chat, items, options) => mediaActions.sendMedia(chat, items, options),
    stopUpload: (key) => mediaActions.stopUpload(key),
    file: (key, options) => mediaActions.file(key, options),
    smallPicture: (id) => smallPictures.of(id),
    rendition: (key, name) => sources.stream(key, name),
    largeFile: (key) => sources.large(key),
    heard: (key) => mediaActions.heard(key),
    askForFile: (key) => mediaActions.askForFile(key),
    mediaAddress: (url) => call<string>('mediaAddress', url),
    usage: () => call('usage'),
    viewedOnce: (key) => mediaActions.viewedOnce(key),
    react: (key, emojis) => messageActions.react(key, emojis),
    deleteForEveryone: (key) => messageActions.deleteForEveryone(key),
    deleteForMe: (keys) => messageActions.deleteForMe(keys),
    forward: async (keys, chats) => {
      await mediaActions.beforeForwarding(keys)
      await messageActions.forward(keys, chats)
    },
    retry: (key) => messageActions.retry(key),
    retryChange: (key, kind) => messageActions.retryChange(key, kind),
    undoChange: (key, kind) => messageActions.undoChange(key, kind),
    star: (key, on) => messageActions.star(key, on),
    read: (chat, key) => chatActions.read(chat, key),
    markUnread: (chat) => chatActions.markUnread(chat),
    typing: (chat, on) => void call('typing', chat, on).catch(() => undefined),
    group: (action, ...args) => call('group', action, ...args) as never,
    vote: (key, options) => messageActions.vote(key, options),
    closePoll: (key) => messageActions.closePoll(key),
    draft: (chat, text) => entering.draft(chat, text),
    keepDraft: (chat, text) => entering.keepDraft(chat, text),
    mute: (chat, until) => chatActions.set(chat, { mutedUntil: until }),
    muteMentions: (chat, on) => chatActions.set(chat, { mentionsMuted: on }),
    pin: (chat, on) => chatActions.set(chat, { pinned: on ? now() : 0 }),
    archive: (chat, on) => chatActions.set(chat, { archived: on }),
    disappear: (chat, seconds) => timers.set(chat, seconds),
    favourite: async (chats, on) => {
      for (const chat of chats) await chatActions.set(chat, { favourite: on })
    },
    clear: (chats, remove) => chatActions.clear(chats, remove),
    readAll: (chats) => chatActions.readAll(chats),
    pinMessage: (key, seconds) => messageActions.pin(key, seconds),
    setDefaultTimer: (seconds) => timers.setDefault(seconds),
    older: (chat) => call<boolean>('older', chat),
    search: (text, chat, limit, options) => search(db, text, chat, limit, options),
    addContact: (address, title) => call('addContact', address, title),
    renameContact: (address, title) => call('renameContact', address, title),
    removeContact: (address) => call('removeContact', address),
    acceptContact: async (address) => {
      await call('acceptContact', address)
      await chatActions.tellRead(address)
    },
    block: (address, on) => call('block', address, on),
    report: async (address, reason, keys, block) => {
      const messages = await db.messages.bulkGet(keys)
      const ids = messages.map((message) => message?.order ?? '').filter((id) => /^[0-9a-f]{16}$/.test(id))
      await call('report', address, reason, ids, block)
    },
    acknowledgeUnhandled: () => acknowledge(db),
    askLastSeen: (address) => call('askLastSeen', address),
    setProfile: (profile) => call('setProfile', profile),
    hasDevices: (account) => call<boolean>('hasDevices', account),
    fingerprints: (account) => call<Fingerprint[]>('fingerprints', account),
    safetyNumber: (account) => call<string>('safetyNumber', account),
    safetyCode: (account) => call<string>('safetyCode', account),
    compareCode: (account, scanned) => call<boolean>('compareCode', account, scanned),
    setTrust: (account, device, trust) => call('setTrust', account, device, trust),
    sendUnencrypted: async (chat, on) =>
      sendUnencrypted(queueing, chat, on, on ? await call<Fingerprint[]>('fingerprints', chat) : []),
    wantHistory: (on) => call('wantHistory', on),
    compareHistory: (device, same) => call('compareHistory', device, same),
    decideHistory: (device, agree) => call<boolean>('decideHistory', device, agree),
    takeHistory: () => call('takeHistory'),
    stopTaking: () => call('stopTaking'),
    stopGiving: (id) => call('stopGiving', id),
    backup: async (phrase, progress) => {
      const { backup } = await import('../history/backup')
      return backup(db, me, phrase, now(), progress)
    },
    restore: async (file, key, progress, former) => {
      const { restore } = await import('../history/backup')
      const store = (records: HistoryRecord[]) => call<number>('mergeRecords', records)
      const mine = [...((await db.fact<Address[]>(FORMER)) ?? []), ...(former === undefined ? [] : [former])]
      return restore(file, key, me, mine, now(), store, progress)
    },
    mergeRecords: (records) => call<number>('mergeRecords', records),
    export: () => exported(db, me),
    logOut: async () => {
      // In a device that was revoked, no tab leads any more
      if (live.value.connection !== 'logged-out') await call('logOut')
      tabs.end()
      await wipe(db)
      loggedOut()
    },
    visible: (on) => tabs.visible(on),
    postStatus: (...status) => statusActions.post(...status),
    retryStatus: (id) => statusActions.retry(id),
    deleteStatus: (id) => statusActions.remove(id),
    statusSeen: (author, id) => statusActions.seen(author, id),
    muteStatus: (author, on) => statusActions.mute(author, on),
    call: (action) => call('call', action),
    onCall: (listener) => {
      callListeners.add(listener)
      return () => callListeners.delete(listener)
    },
    onNews: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}

function browserStorage(): Storage | undefined {
  try {
    return globalThis.localStorage
  } catch {
    return undefined // the browser's settings forbid it
  }
}

/** Repeats until there is an answer, since an unreachable server must not be taken for one. */
async function persistently<T>(ask: () => Promise<T> | undefined): Promise<T | undefined> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      return await ask()
    } catch {
      await new Promise((done) => setTimeout(done, wait))
    }
  }
}

/**
 * The server has ended this login, so the keys are deleted at once. Messages stay until the user decides about them.
 */
async function forgetLogin(db: Database): Promise<void> {
  await db.transaction('rw', [db.facts, db.keys, db.raw, db.outgoing], () =>
    Promise.all([db.facts.clear(), db.keys.clear(), db.raw.clear(), db.outgoing.clear()])
  )
}
