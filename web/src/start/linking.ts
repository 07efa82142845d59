/**
 * Linking a new device: it shows a code; a device that is logged in scans the code and sends an encrypted letter; and
 * the new device logs in with the ticket in the letter. `kith link` does the same (src/kith/client/linking.py).
 */
import { randomBytes } from '@noble/ciphers/utils.js'
import { base64urlnopad } from '@scure/base'
import { type Bytes, fromBase64url } from '../local/bytes'
import type { Address } from '../local/types'
import { textOf, type Ask } from './ask'
import { BadCode, type Code } from './link-code'
import { decrypt, encryptFor, newCode } from './link-encryption'
import { receive } from './mailbox'

const PURPOSE = 'Kith link 1'

/** What the approving device sends: the account, the ticket for it, and data that the server must not see. */
export interface Letter {
  address: Address
  ticket: Bytes
  secrets: Record<string, unknown>
}

/** The new device: its code, and how it decrypts what it receives. */
export class Newcomer {
  private constructor(
    readonly code: Code,
    private readonly keys: CryptoKeyPair
  ) {}

  /** `id`: of the mailbox at the server. */
  static async create(base: string, id: string, name: string): Promise<Newcomer> {
    return new Newcomer(...(await newCode(base, id, name)))
  }

  /** Decrypts a letter. Throws BadCode if its sender has not read the code. */
  async open(sealed: Uint8Array): Promise<Letter> {
    try {
      const held: unknown = JSON.parse(await decrypt(this.code, this.keys, PURPOSE, sealed))
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

/** The new device opens a mailbox at the server and gets a code to show. `ask` needs no login. */
export async function beginLink(ask: Ask, base: string, name: string): Promise<Newcomer> {
  return Newcomer.create(base, textOf(await ask('POST', '/api/links', {}), 'id'), name)
}

/** Waits until another device has approved. Rejects as `receive` does, or with BadCode. */
export async function awaitApproval(ask: Ask, newcomer: Newcomer, signal?: AbortSignal): Promise<Letter> {
  return newcomer.open(await receive(ask, newcomer.code.id, signal))
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

/** The logged-in device has read the code and approves the new one. `ask` is logged in, at its own server. */
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

/** Encrypts a letter for the device with this code. Returns it and the SHA-256 of the ticket. */
export async function seal(code: Code, letter: Letter): Promise<{ sealed: Bytes; ticketHash: Bytes }> {
  const held = {
    address: letter.address,
    ticket: base64urlnopad.encode(letter.ticket),
    secrets: letter.secrets
  }
  const sealed = await encryptFor(code, PURPOSE, JSON.stringify(held))
  const hash = await crypto.subtle.digest('SHA-256', new Uint8Array(letter.ticket))
  return { sealed, ticketHash: new Uint8Array(hash) }
}

export function newTicket(): Bytes {
  return randomBytes(32)
}
