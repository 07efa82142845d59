/**
 * Linking a new device by a code: what is in the code, and what goes from device to device encrypted. The same, byte
 * for byte, as `kith link` does it (src/kith/client/linking.py).
 *
 * The code holds a public key and a secret, both made for this once, which the server never sees: nobody but who has
 * read the code can encrypt for the new device (HPKE, RFC 9180, with the secret in its `info`).
 *
 * The other way round, for a new device with a camera: the device that is logged in shows an invitation, the same with
 * another version in front. The new device seals its own code for it, and people compare a number that both make of it:
 * whoever else has filmed the invitation has another code, and so another number.
 */
import type { CipherSuite } from '@hpke/core'
import { concatBytes, randomBytes } from '@noble/ciphers/utils.js'
import { base64urlnopad } from '@scure/base'
import { type Bytes, fromBase64url } from '../local/bytes'
import type { Address } from '../local/types'
import { unreachable } from './api'
import { textOf, type Ask } from './ask'

const VERSION = '1'
const INVITATION = '2'
const INFO = 'Kith link 1'
const INVITATION_INFO = 'Kith invitation 1'
const NUMBER_INFO = 'Kith invitation number 1'
const PATH = '/link#'
const ID = /^[0-9a-f]{32}$/
const ENCAPSULATED = 32
/** How long to wait before a server that could not be reached is asked again, in milliseconds. */
const PAUSE = 2000
/** How long the server is asked to wait for the other device, in seconds. */
const WAIT = 20

/** A text is not a valid code, or what was received is not for it. */
export class BadCode extends Error {
  override name = 'BadCode'
}

/** The code on the new device. `base`: the URL of the server's API; `name`: the name of the device. */
export interface Code {
  base: string
  id: string
  key: Bytes
  secret: Bytes
  name: string
}

/** What the approving device sends: the account, the ticket for it, and data for the new device only. */
export interface Letter {
  address: Address
  ticket: Bytes
  secrets: Record<string, unknown>
}

/** The code as a link, so that a phone's camera can open it. The server does not get what follows the #. */
export function codeText(code: Code): string {
  return textOfCode(VERSION, code)
}

/** Creates a code with its own key and secret. */
async function newCode(base: string, id: string, name: string): Promise<[Code, CryptoKeyPair]> {
  const { kem } = await hpke()
  const keys = await kem.generateKeyPair()
  const key = new Uint8Array(await kem.serializePublicKey(keys.publicKey))
  return [{ base, id, key, secret: randomBytes(16), name }, keys]
}

function textOfCode(version: string, { base, id, key, secret, name }: Code): string {
  const parts = [
    version,
    id,
    base64urlnopad.encode(key),
    base64urlnopad.encode(secret),
    encodeURIComponent(name.replace(/[\ud800-\udfff]/gu, '\ufffd'))
  ]
  return base.replace(/\/+$/, '') + PATH + parts.join('.')
}

/** Parses the code of a new device. Throws BadCode. */
export function parseCode(text: string): Code {
  return codeIn(VERSION, text)
}

/** Parses the code of a device that is logged in, at the server whose API is at `base`. Throws BadCode. */
export function parseInvitation(text: string, base: string): Code {
  const code = codeIn(INVITATION, text)
  if (code.base !== base) throw new BadCode('it is of another server')
  return code
}

function codeIn(wanted: string, text: string): Code {
  const [base, behind] = split(text.trim(), PATH)
  const [version, id, key, secret, ...name] = behind.split('.')
  if (
    version !== wanted ||
    id === undefined ||
    key === undefined ||
    secret === undefined ||
    name.length === 0
  ) {
    throw new BadCode('that is not the code of a new device')
  }
  let code: Code
  try {
    code = {
      base,
      id,
      key: fromBase64url(key),
      secret: fromBase64url(secret),
      name: decodeURIComponent(name.join('.'))
    }
  } catch {
    throw new BadCode('that is not the code of a new device')
  }
  if (code.key.length !== 32 || code.secret.length !== 16 || !ID.test(id))
    throw new BadCode('the code is not complete')
  return code
}

/** The new device: its code, and how it decrypts what it receives. */
export class Newcomer {
  private constructor(
    readonly code: Code,
    private readonly keys: CryptoKeyPair
  ) {}

  /** `id`: the server's id of this link. */
  static async create(base: string, id: string, name: string): Promise<Newcomer> {
    return new Newcomer(...(await newCode(base, id, name)))
  }

  /** Decrypts a letter. Throws BadCode if its sender has not read the code. */
  async open(sealed: Uint8Array): Promise<Letter> {
    try {
      const held: unknown = JSON.parse(await opened(this.keys, sealed, infoOf(this.code, INFO)))
      const { secrets } = held as { secrets: unknown }
      if (typeof secrets !== 'object' || secrets === null || Array.isArray(secrets))
        throw new TypeError('no secrets')
      return {
        address: textOf(held, 'address'),
        ticket: fromBase64url(textOf(held, 'ticket')),
        secrets: secrets as Record<string, unknown>
      }
    } catch {
      throw new BadCode('what came is not from a device that has read the code')
    }
  }
}

/** The code that a logged-in device shows to a new one: `code.name` is its own name. */
export class Invitation {
  private constructor(
    readonly code: Code,
    private readonly keys: CryptoKeyPair
  ) {}

  /** The device opens a mailbox at its server. `ask` is logged in. */
  static async begin(ask: Ask, base: string, name: string): Promise<Invitation> {
    const id = textOf(await ask('POST', '/api/link-invitations', {}), 'id')
    return new Invitation(...(await newCode(base, id, name)))
  }

  text(): string {
    return textOfCode(INVITATION, this.code)
  }

  /**
   * Waits until the new device has read this code, and returns that device's own code. Rejects as `awaitApproval` does.
   */
  async answer(ask: Ask, signal?: AbortSignal): Promise<Code> {
    const sealed = await filled(ask, this.code.id, signal)
    let text: string
    try {
      text = await opened(this.keys, sealed, infoOf(this.code, INVITATION_INFO))
    } catch {
      throw new BadCode('what came is not from a device that has read the code')
    }
    return parseCode(text)
  }
}

/** The new device has read an invitation, and sends its own code. */
export async function answerInvitation(ask: Ask, invitation: Code, newcomer: Code): Promise<void> {
  const sealed = await sealedFor(invitation, INVITATION_INFO, codeText(newcomer))
  await ask('PUT', `/api/links/${invitation.id}/code`, { sealed: base64urlnopad.encode(sealed) })
}

/** Ten digits that both devices show, made from the new device's code and the secret that only these two know. */
export async function numberOf(invitation: Code, newcomer: Code): Promise<string> {
  const text = new TextEncoder().encode(`${NUMBER_INFO}\0${invitation.id}\0${codeText(newcomer)}\0`)
  const data = concatBytes(text, invitation.secret, invitation.key)
  const hash = new DataView(await crypto.subtle.digest('SHA-256', data))
  return String(hash.getBigUint64(0) % 10_000_000_000n).padStart(10, '0')
}

/** Encrypts a letter for the device with this code. Returns it and the hash of the ticket. */
export async function seal(code: Code, letter: Letter): Promise<{ sealed: Bytes; ticketHash: Bytes }> {
  const held = {
    address: letter.address,
    ticket: base64urlnopad.encode(letter.ticket),
    secrets: letter.secrets
  }
  const sealed = await sealedFor(code, INFO, JSON.stringify(held))
  const hash = await crypto.subtle.digest('SHA-256', new Uint8Array(letter.ticket))
  return { sealed, ticketHash: new Uint8Array(hash) }
}

async function sealedFor(code: Code, info: string, text: string): Promise<Bytes> {
  const suite = await hpke()
  const recipientPublicKey = await suite.kem.deserializePublicKey(new Uint8Array(code.key).buffer)
  const plain = new TextEncoder().encode(text)
  const { enc, ct } = await suite.seal({ recipientPublicKey, info: infoOf(code, info).buffer }, plain.buffer)
  return concatBytes(new Uint8Array(enc), new Uint8Array(ct))
}

/** Decrypts a text. Rejects if it was not encrypted for these keys with that info, or is no text. */
async function opened(keys: CryptoKeyPair, sealed: Uint8Array, info: Bytes): Promise<string> {
  const suite = await hpke()
  const [enc, data] = [sealed.slice(0, ENCAPSULATED).buffer, sealed.slice(ENCAPSULATED).buffer]
  const plain = await suite.open({ recipientKey: keys.privateKey, enc, info: info.buffer }, data)
  return new TextDecoder('utf-8', { fatal: true }).decode(plain)
}

export function newTicket(): Bytes {
  return randomBytes(32)
}

/** The new device opens a mailbox at the server and gets a code to show. `ask` needs no login. */
export async function beginLink(ask: Ask, base: string, name: string): Promise<Newcomer> {
  return Newcomer.create(base, textOf(await ask('POST', '/api/links', {}), 'id'), name)
}

/**
 * Waits until another device has approved, even if the server is not reachable for a while. Rejects when the code has
 * expired, or with the reason of `signal`.
 */
export async function awaitApproval(ask: Ask, newcomer: Newcomer, signal?: AbortSignal): Promise<Letter> {
  return newcomer.open(await filled(ask, newcomer.code.id, signal))
}

/** Waits until a mailbox has content, and returns it. */
async function filled(ask: Ask, id: string, signal?: AbortSignal): Promise<Bytes> {
  for (;;) {
    signal?.throwIfAborted()
    let answer: unknown
    try {
      answer = await ask('GET', `/api/links/${id}?wait=${WAIT}`, undefined, signal)
    } catch (error) {
      if (!unreachable(error)) throw error
      await new Promise((done) => setTimeout(done, PAUSE))
      continue
    }
    const sealed = textOf(answer, 'sealed')
    if (sealed !== '') return fromBase64url(sealed)
  }
}

/**
 * Logs in with the ticket, which works once. Returns the login. `device`: as for registration. Rejects with BadCode if
 * the server returns another account than that of the letter.
 */
export async function enter(ask: Ask, newcomer: Newcomer, letter: Letter, device: unknown): Promise<unknown> {
  const ticket = base64urlnopad.encode(letter.ticket)
  const login = await ask('POST', `/api/links/${newcomer.code.id}/device`, { ticket, device })
  if (textOf(login, 'address') !== letter.address) throw new BadCode('that is another account')
  return login
}

/** The logged-in device has scanned the code and approves the other. `ask` is logged in, at its own server. */
export async function approve(
  ask: Ask,
  code: Code,
  address: Address,
  secrets: Record<string, unknown>
): Promise<void> {
  const { sealed, ticketHash } = await seal(code, { address, ticket: newTicket(), secrets })
  await ask('PUT', `/api/links/${code.id}`, {
    ticket_hash: base64urlnopad.encode(ticketHash),
    sealed: base64urlnopad.encode(sealed)
  })
}

function split(text: string, by: string): [string, string] {
  const at = text.indexOf(by)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + by.length)]
}

function infoOf({ id, secret }: Code, info: string): Bytes {
  const text = new TextEncoder()
  return concatBytes(text.encode(`${info}\0${id}\0`), secret)
}

async function hpke(): Promise<CipherSuite> {
  const [{ CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 }, { Chacha20Poly1305 }] = await Promise.all([
    import('@hpke/core'),
    import('@hpke/chacha20poly1305')
  ])
  return new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Chacha20Poly1305()
  })
}
