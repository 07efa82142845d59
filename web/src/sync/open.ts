/** Puts the parts of the sync layer together: what `main.ts` calls when somebody is logged in. */
import type { Crypto, KeyNetwork } from '../crypto/crypto'
import type { Database } from '../local/database'
import { exported, wipe } from '../local/export'
import { search } from '../local/search'
import type { Address, Credential } from '../local/types'
import { Actions } from './actions'
import type { App, Live } from './app'
import { Store } from './store'

/** What the app gets from outside. */
export interface Deps {
  /** Of the WebSocket: `wss://example.org/xmpp-websocket`. */
  url: string
  /** Opens the encryption; called once, in the tab that leads. */
  crypto(db: Database, me: Address, network: KeyNetwork): Promise<Crypto>
  /** Ends this device's login at the server, by the HTTP API. */
  endLogin?(credential: Credential): Promise<void>
  /** For tests: others than the browser's own. */
  WebSocket?: typeof WebSocket
  locks?: LockManager | undefined
  channel?: (name: string) => BroadcastChannel
  now?: () => number
}

export class NotConnected extends Error {
  constructor() {
    super('not connected')
  }
}

const NOTHING: Live = {
  connection: 'offline',
  progress: undefined,
  typing: {},
  present: {},
  lastSeen: {},
  leads: false
}

/** Opens the app on what is stored; works at once, and goes online by itself. */
export async function openApp(db: Database, credential: Credential, deps: Deps): Promise<App> {
  await db.open()
  const me = credential.address
  const now = deps.now ?? Date.now
  const live = new Store<Live>(NOTHING)
  const actions = new Actions(db, me, now, () => undefined)
  const offline = (): Promise<never> => Promise.reject(new NotConnected())
  return {
    db,
    me,
    live,
    send: (chat, text, options) => actions.send(chat, text, options),
    edit: (key, text) => actions.edit(key, text),
    react: (key, emojis) => actions.react(key, emojis),
    deleteForEveryone: (key) => actions.deleteForEveryone(key),
    deleteForMe: (keys) => actions.deleteForMe(keys),
    forward: (keys, chats) => actions.forward(keys, chats),
    retry: (key) => actions.retry(key),
    star: (key, on) => actions.star(key, on),
    read: (chat, key) => actions.read(chat, key),
    markUnread: (chat) => actions.markUnread(chat),
    typing: () => undefined,
    draft: (chat, text) => actions.draft(chat, text),
    mute: (chat, until) => actions.set(chat, { mutedUntil: until }),
    pin: (chat, on) => actions.set(chat, { pinned: on ? now() : 0 }),
    archive: (chat, on) => actions.set(chat, { archived: on }),
    disappear: (chat, seconds) => actions.disappear(chat, seconds),
    clear: (chat) => actions.clear(chat),
    older: offline,
    search: (text, chat, limit) => search(db, text, chat, limit),
    addContact: offline,
    renameContact: offline,
    removeContact: offline,
    acceptContact: offline,
    block: offline,
    report: offline,
    askLastSeen: offline,
    setProfile: offline,
    fingerprints: offline,
    safetyNumber: offline,
    safetyCode: offline,
    compareCode: offline,
    setTrust: offline,
    export: () => exported(db, me),
    logOut: () => wipe(db),
    visible: () => undefined,
    onNews: () => () => undefined
  }
}
