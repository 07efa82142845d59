/** The server's HTTP API, described in /api/openapi.json. Errors are returned as part of the answer. */

import { base64urlnopad } from '@scure/base'
import type { Ask } from './ask'

/** Reasons for errors from the server, and `offline`: it could not be reached. */
export type Reason =
  | 'account-disabled'
  | 'bad-request'
  | 'banned'
  | 'conflict'
  | 'expired'
  | 'expired-code'
  | 'forbidden'
  | 'internal'
  | 'invalid-element'
  | 'invalid-number'
  | 'country-not-served'
  | 'not-authorized'
  | 'not-found'
  | 'offline'
  | 'pin-required'
  | 'registration-closed'
  | 'too-large'
  | 'too-many'
  | 'unavailable'
  | 'wrong-password'
  | 'wrong-code'
  | 'wrong-pin'

export interface Problem {
  error: Reason
  /** For people, in English. */
  text: string
  /** Seconds until it may succeed. */
  retry_after?: number
  tries_left?: number
  /** Proof that the code was correct, to be sent with the PIN. */
  proof?: string
  /** Seconds of inactivity after which the account can be accessed without its PIN. */
  without_pin_in?: number
}

export interface IceServer {
  urls: string[]
  /** Empty: it needs no credentials. */
  username: string
  credential: string
}

export type Answer<T> = { ok: true; value: T } | { ok: false; problem: Problem }

export interface NewDevice {
  agent: string
  name: string
  software: string
  platform: string
  mechanism: 'HT-SHA-256-NONE'
}

/** What people have here: phone numbers, or names and passwords. */
export interface Ways {
  phone: boolean
  password: boolean
}

export interface CodeSent {
  number: string
  expires_in: number
  again_in: number
}

export interface Login {
  address: string
  device: string
  agent: string
  token: string
  mechanism: string
  expires: string
  new: boolean
}

export interface Account {
  address: string
  number: string
  device: string
  pin: boolean
}

export interface Device {
  id: string
  name: string
  software: string
  platform: string
  created: string
  last_seen: string
  online: boolean
  current: boolean
  omemo: number[]
  app_password: string
}

export interface AppPassword {
  id: string
  name: string
  created: string
  last_used: string
  online: boolean
  omemo: number[]
}

export interface MadeAppPassword {
  id: string
  name: string
  address: string
  password: string
  uri: string
  qr: string
}

export type Audience = 'everyone' | 'contacts' | 'nobody'

export interface Privacy {
  last_seen: Audience
  avatar: Audience
  about: Audience
  read_receipts: boolean
  messages: Exclude<Audience, 'nobody'>
  groups: Audience
  /** Who lets this account's devices ring. */
  calls: Exclude<Audience, 'nobody'>
}

const OFFLINE: Problem = { error: 'offline', text: 'The server was not reached.' }
/** In milliseconds; waiting for a link may take 25 s at the server. */
const LONGEST = 40_000

export class Api {
  /** `bearer`: the token of this device, see `bearerOf`; empty before the login. */
  constructor(private readonly bearer: () => Promise<string> = () => Promise.resolve('')) {}

  sendCode(number: string): Promise<Answer<CodeSent>> {
    return this.ask('POST', '/api/register/code', { number })
  }

  register(number: string, code: string, device: NewDevice): Promise<Answer<Login>> {
    return this.ask('POST', '/api/register', { number, code, device })
  }

  /** An empty PIN means that the person has forgotten it. */
  registerWithPin(number: string, proof: string, pin: string, device: NewDevice): Promise<Answer<Login>> {
    return this.ask('POST', '/api/register/pin', { number, proof, pin, device })
  }

  /** How people log in to this server. */
  ways(): Promise<Answer<Ways>> {
    return this.ask('GET', '/api/login')
  }

  loginWithPassword(name: string, password: string, device: NewDevice): Promise<Answer<Login>> {
    return this.ask('POST', '/api/login', { name, password, device })
  }

  account(): Promise<Answer<Account>> {
    return this.ask('GET', '/api/account')
  }

  /** With the code that was sent to the new number. All devices of the account move. */
  changeNumber(number: string, code: string): Promise<Answer<Account>> {
    return this.ask('POST', '/api/account/number', { number, code })
  }

  deleteAccount(address: string, pin: string): Promise<Answer<undefined>> {
    return this.ask('POST', '/api/account/delete', { address, pin })
  }

  async devices(): Promise<Answer<Device[]>> {
    return mapped(await this.ask<{ devices: Device[] }>('GET', '/api/devices'), (got) => got.devices)
  }

  renameDevice(id: string, name: string): Promise<Answer<Device>> {
    return this.ask('PATCH', `/api/devices/${id}`, { name })
  }

  /** STUN and TURN servers for a call; `expires_in`: seconds until their credentials end, 0: they have none. */
  relays(): Promise<Answer<{ ice_servers: IceServer[]; expires_in: number }>> {
    return this.ask('GET', '/api/relays')
  }

  revokeDevice(id: string): Promise<Answer<undefined>> {
    return this.ask('DELETE', `/api/devices/${id}`)
  }

  async appPasswords(): Promise<Answer<AppPassword[]>> {
    const answer = await this.ask<{ app_passwords: AppPassword[] }>('GET', '/api/app-passwords')
    return mapped(answer, (got) => got.app_passwords)
  }

  makeAppPassword(name: string): Promise<Answer<MadeAppPassword>> {
    return this.ask('POST', '/api/app-passwords', { name })
  }

  revokeAppPassword(id: string): Promise<Answer<undefined>> {
    return this.ask('DELETE', `/api/app-passwords/${id}`)
  }

  privacy(): Promise<Answer<Privacy>> {
    return this.ask('GET', '/api/privacy')
  }

  setPrivacy(change: Partial<Privacy>): Promise<Answer<Privacy>> {
    return this.ask('PATCH', '/api/privacy', change)
  }

  async hasPin(): Promise<Answer<boolean>> {
    return mapped(await this.ask<{ set: boolean }>('GET', '/api/pin'), (got) => got.set)
  }

  setPin(pin: string): Promise<Answer<undefined>> {
    return this.ask('PUT', '/api/pin', { pin })
  }

  removePin(): Promise<Answer<undefined>> {
    return this.ask('DELETE', '/api/pin')
  }

  /** Sends any request, also for what has its own file (`linking.ts`, `discovery.ts`). */
  async ask<T>(method: string, path: string, body?: unknown, stop?: AbortSignal): Promise<Answer<T>> {
    const bearer = await this.bearer()
    const headers: Record<string, string> = {}
    if (bearer) headers.Authorization = `Bearer ${bearer}`
    if (body) headers['Content-Type'] = 'application/json'
    try {
      const answer = await fetch(path, {
        method,
        headers,
        body: body ? JSON.stringify(body) : null,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        signal: stop ? AbortSignal.any([stop, AbortSignal.timeout(LONGEST)]) : AbortSignal.timeout(LONGEST)
      })
      const text = await answer.text()
      const value: unknown = text === '' ? undefined : JSON.parse(text)
      if (answer.ok) return { ok: true, value: value as T }
      return { ok: false, problem: isProblem(value) ? value : OFFLINE }
    } catch {
      return { ok: false, problem: OFFLINE }
    }
  }

  /** As `ask`, for linking and discovery: rejects with Refusal. */
  readonly asking: Ask = async (method, path, body, signal) => {
    const answer = await this.ask<unknown>(method, path, body, signal)
    if (!answer.ok) throw new Refusal(answer.problem)
    return answer.value
  }
}

/** The server has refused a request. */
export class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(problem.text)
  }
}

export function unreachable(error: unknown): error is Refusal {
  return error instanceof Refusal && error.problem.error === 'offline'
}

function mapped<A, B>(answer: Answer<A>, map: (value: A) => B): Answer<B> {
  return answer.ok ? { ok: true, value: map(answer.value) } : answer
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'error' in value && typeof value.error === 'string'
}

/** The authorization of a device (RFC 6750 §2.1). */
export function bearerOf(credential: { address: string; agent: string; token: string }): string {
  const text = `${credential.address.split('@')[0] ?? ''}:${credential.agent}:${credential.token}`
  return base64urlnopad.encode(new TextEncoder().encode(text))
}
