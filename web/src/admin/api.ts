/** The server's HTTP API for operators, below /api/admin/ and described in /api/admin/openapi.json. */
import { Api, type Answer } from '../start/api'

/** Times are in RFC 3339; empty: never, or no end. */
export type Time = string

export interface Me {
  name: string
  kind: 'token' | 'operator' | 'command'
  write: boolean
  expires: Time
  domain: string
  version: string
}

export type State = 'active' | 'suspended' | 'banned'

export interface Person {
  address: string
  /** In E.164; empty: the account has none. */
  number: string
  /** As the person has chosen it; may be empty. */
  name: string
  state: State
  online: boolean
  last_seen: Time
  devices: number
  operator: boolean
}

export interface Device {
  id: string
  name: string
  software: string
  platform: string
  created: Time
  last_seen: Time
  online: boolean
  /** The id of the app password that it has logged in with; empty: none. */
  app_password: string
}

export interface AppPassword {
  id: string
  name: string
  created: Time
  last_used: Time
  online: boolean
}

export interface Session {
  resource: string
  /** The id of its device; empty: it has none. */
  device: string
  /** The network address. */
  address: string
  connected: boolean
  /** Whether it gets messages. */
  available: boolean
}

export interface PersonDetails extends Person {
  devices_list: Device[]
  app_passwords: AppPassword[]
  sessions: Session[]
  addresses: { address: string; first: Time; last: Time }[]
  /** `_bytes` in bytes; the others are counts. */
  storage: {
    messages: number
    message_bytes: number
    undelivered: number
    outgoing: number
    documents: number
    document_bytes: number
  }
  contacts: number
  /** Whether the account has a password. */
  password: boolean
  /** How many reports there are about them. */
  reports: number
  bans: Ban[]
  moved_from: string[]
}

export const BAN_KINDS = ['account', 'number', 'prefix', 'country', 'network'] as const
export type BanKind = (typeof BAN_KINDS)[number]

export interface Ban {
  id: string
  kind: BanKind | 'suspension'
  value: string
  scope: 'all' | 'registration'
  /** Told to those who are banned. */
  reason: string
  /** For operators. */
  note: string
  made: Time
  by: string
  until: Time
}

export interface NewBan {
  kind: BanKind
  value: string
  scope: Ban['scope']
  reason: string
  note: string
  /** 0: until it is lifted. */
  days: number
}

export interface Invitation {
  id: string
  name: string
  contact: string
  maker: string
  /** Whether it allows to register. */
  register: boolean
  expires: Time
}

export interface MadeInvitation {
  id: string
  url: string
  uri: string
  expires: Time
}

/** What the server tells everybody. `cancelled`: when it was withdrawn; empty: it was not. */
export interface Announcement {
  id: string
  text: string
  made: Time
  expires: Time
  cancelled: Time
}

export interface Report {
  id: string
  at: Time
  reporter: string
  reported: string
  reason: string
  text: string
  messages: string[]
  /** Whether the reported person has an account here. */
  local: boolean
}

export interface LogEntry {
  id: string
  at: Time
  by: string
  via: string
  action: string
  target: string
  details: string
}

export interface Health {
  domain: string
  version: string
  started: Time
  registration: string
  federation: boolean
  accounts: number
  online: number
  sessions: number
  connections: number
  undelivered: number
  database_bytes: number
  journal_bytes: number
  free_bytes: number
  disk_failing: boolean
  waiting_for_servers: number
  certificate_expires: Time
  text_messages: { sent: number; failed: number; limited: number }
  problems: { text: string; todo: string; bad: boolean }[]
  open_invitations: number
  open_reports: number
  bans: number
}

export type MessageState =
  'delivered' | 'handed' | 'waiting' | 'outgoing' | 'sent' | 'gone' | 'bounced' | 'group'

export interface TracedMessage {
  id: string
  message_id: string
  time: Time
  peer: string
  direction: 'in' | 'out'
  /** RFC 6121 §5.2.2. */
  type: string
  what: 'text' | 'encrypted' | 'receipt' | 'marker' | 'error' | 'other'
  bytes: number
  state: MessageState
  devices: { resource: string; device: string; name: string; state: 'handed' | 'acknowledged' }[]
  error: string
}

export interface Trace {
  address: string
  tracing_until: Time
  messages: TracedMessage[]
  events: {
    at: Time
    what: 'received' | 'refused' | 'handed' | 'acknowledged'
    resource: string
    device: string
    message_id: string
    id: string
    peer: string
    error: string
  }[]
}

export interface PeopleQuery {
  query: string
  state: State | 'online' | ''
  sort: 'address' | 'last_seen'
  after: string
  limit: number
}

export class AdminApi {
  private readonly api: Api

  /** `bearer`: an admin token, or the token of an operator's device. */
  constructor(bearer: () => Promise<string>) {
    this.api = new Api(bearer)
  }

  get<T>(path: string, query: Record<string, string | number> = {}): Promise<Answer<T>> {
    const given = Object.entries(query).filter(([, value]) => value !== '')
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
    return this.api.ask('GET', `/api/admin${path}${search && `?${search}`}`)
  }

  send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer<T>> {
    return this.api.ask(method, `/api/admin${path}`, body)
  }
}

/** The path of a person, or of something of theirs. */
export function personPath(address: string, ...parts: string[]): string {
  return `/people/${[address, ...parts].map(encodeURIComponent).join('/')}`
}
