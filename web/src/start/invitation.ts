/**
 * Linking in the other direction, for a new device with a camera: the device that is logged in shows an invitation. The
 * new device sends its own code, encrypted for the invitation, and people compare a number that both devices make of
 * the two codes. If somebody else has filmed the invitation and answers first, their code, and so the number, differs.
 */
import { concatBytes } from '@noble/ciphers/utils.js'
import { base64urlnopad } from '@scure/base'
import { textOf, type Ask } from './ask'
import { BadCode, codeText, invitationText, parseCode, type Code } from './link-code'
import { decrypt, encryptFor, newCode } from './link-encryption'
import { receive } from './mailbox'

const PURPOSE = 'Kith invitation 1'
const NUMBER_PURPOSE = 'Kith invitation number 1'

/** The code that a logged-in device shows to a new one. */
export class Invitation {
  private constructor(
    readonly code: Code,
    private readonly keys: CryptoKeyPair
  ) {}

  /** Opens a mailbox at the server. `ask` is logged in; `name`: of this device. */
  static async begin(ask: Ask, base: string, name: string): Promise<Invitation> {
    const id = textOf(await ask('POST', '/api/link-invitations', {}), 'id')
    return new Invitation(...(await newCode(base, id, name)))
  }

  text(): string {
    return invitationText(this.code)
  }

  /** Waits until the new device has answered, and returns its code. Rejects as `receive` does, or with BadCode. */
  async answer(ask: Ask, signal?: AbortSignal): Promise<Code> {
    const sealed = await receive(ask, this.code.id, signal)
    let text: string
    try {
      text = await decrypt(this.code, this.keys, PURPOSE, sealed)
    } catch {
      throw new BadCode('what came is not from a device that has read the code')
    }
    return parseCode(text)
  }
}

/** The new device has read an invitation, and sends its own code. */
export async function answerInvitation(ask: Ask, invitation: Code, newcomer: Code): Promise<void> {
  const sealed = await encryptFor(invitation, PURPOSE, codeText(newcomer))
  await ask('PUT', `/api/links/${invitation.id}/code`, { sealed: base64urlnopad.encode(sealed) })
}

/** Ten digits that both devices show, made from the new device's code and the secret that only these two know. */
export async function numberOf(invitation: Code, newcomer: Code): Promise<string> {
  const text = new TextEncoder().encode(`${NUMBER_PURPOSE}\0${invitation.id}\0${codeText(newcomer)}\0`)
  const data = concatBytes(text, invitation.secret, invitation.key)
  const hash = new DataView(await crypto.subtle.digest('SHA-256', data))
  return String(hash.getBigUint64(0) % 10_000_000_000n).padStart(10, '0')
}
