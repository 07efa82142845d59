/**
 * What unlocks the app in this browser: a PIN, stored as a slow hash (PBKDF2, RFC 8018), or a passkey of the device
 * (WebAuthn). It keeps people away from an unattended screen, and encrypts nothing: docs/security.md.
 */
import { base64 } from '@scure/base'
import { fromBase64 } from '../local/bytes'

const ROUNDS = 600_000
const SALT_BYTES = 16
const HASH_BITS = 256
/** After this many wrong PINs in a row, there is a wait. It doubles with each further one, up to a maximum. */
const FREE = 5
const FIRST_WAIT_MS = 30_000
const LONGEST_WAIT_MS = 3_600_000
/** The flag "user verified" in authenticator data (WebAuthn §6.1). */
const FLAGS_AT = 32
const VERIFIED = 0x04

export type Secret =
  { kind: 'pin'; salt: string; hash: string; rounds: number } | { kind: 'passkey'; id: string }

/** Makes what is stored to check a new PIN. */
export async function pinSecret(pin: string): Promise<Secret> {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES))
  return { kind: 'pin', salt: base64.encode(salt), hash: await hashOf(pin, salt, ROUNDS), rounds: ROUNDS }
}

/** Whether a PIN is the one that unlocks the app. Takes a while, on purpose. */
export async function isCorrectPin(secret: Secret & { kind: 'pin' }, pin: string): Promise<boolean> {
  const hash = await hashOf(pin, fromBase64(secret.salt), secret.rounds)
  return hash === secret.hash
}

async function hashOf(pin: string, salt: Uint8Array<ArrayBuffer>, iterations: number): Promise<string> {
  const written = new TextEncoder().encode(pin.normalize('NFKC'))
  const key = await crypto.subtle.importKey('raw', written, 'PBKDF2', false, ['deriveBits'])
  const how = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations }
  return base64.encode(new Uint8Array(await crypto.subtle.deriveBits(how, key, HASH_BITS)))
}

/** Milliseconds to wait after this many wrong PINs in a row. */
export function waitAfter(wrong: number): number {
  return wrong < FREE ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (wrong - FREE))
}

/** Whether the device can verify its user by itself: by fingerprint, face or PIN. */
export async function hasPasskeys(): Promise<boolean> {
  if (typeof PublicKeyCredential === 'undefined') return false
  return PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().catch(() => false)
}

/** Creates a passkey. Rejects if the user cancels. */
export async function passkeySecret(name: string): Promise<Secret> {
  const made = await navigator.credentials.create({
    publicKey: {
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      rp: { name: 'Kith' },
      user: { id: crypto.getRandomValues(new Uint8Array(16)), name, displayName: name },
      pubKeyCredParams: [
        { type: 'public-key', alg: -7 },
        { type: 'public-key', alg: -257 }
      ],
      authenticatorSelection: { authenticatorAttachment: 'platform', userVerification: 'required' }
    }
  })
  if (!made) throw new Error('no passkey was made')
  return { kind: 'passkey', id: base64.encode(new Uint8Array((made as PublicKeyCredential).rawId)) }
}

/** Whether the device has verified its user. Rejects if they cancel. */
export async function confirmed(secret: Secret & { kind: 'passkey' }): Promise<boolean> {
  const found = (await navigator.credentials.get({
    publicKey: {
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      allowCredentials: [{ type: 'public-key', id: fromBase64(secret.id) }],
      userVerification: 'required'
    }
  })) as PublicKeyCredential | null
  if (!found || base64.encode(new Uint8Array(found.rawId)) !== secret.id) return false
  const data = new Uint8Array((found.response as AuthenticatorAssertionResponse).authenticatorData)
  return ((data[FLAGS_AT] ?? 0) & VERIFIED) !== 0
}
