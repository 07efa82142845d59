/**
 * End-to-end encryption behind one interface: OMEMO in the namespace `eu.siacs.conversations.axolotl`
 * (XEP-0384 0.3), on libsignal. Nothing outside `crypto/` knows more than this.
 */
import type { Address, Moment } from '../local/types'

/** `<encrypted/>` without XML. `payload` is left out where only keys travel. */
export interface Envelope {
  sender: number
  iv: Uint8Array
  keys: { device: number; prekey: boolean; data: Uint8Array }[]
  payload?: Uint8Array
}

/** What others publish of a device, and what this one publishes. Public keys as on the wire: 33 bytes. */
export interface Bundle {
  identity: Uint8Array
  signedPrekey: { id: number; key: Uint8Array; signature: Uint8Array }
  prekeys: { id: number; key: Uint8Array }[]
}

/** The network that keys travel over; `sync/` has it. All reject while there is no connection. */
export interface KeyNetwork {
  /** The device ids that an account has published; empty if there are none. */
  devices(account: Address): Promise<number[]>
  /** `undefined`: it has published none. */
  bundle(account: Address, device: number): Promise<Bundle | undefined>
  publishDevices(ids: number[]): Promise<void>
  publishBundle(device: number, bundle: Bundle): Promise<void>
  /** Sends keys without a text to one device, as after a session was made anew. */
  sendKeys(to: Address, envelope: Envelope): Promise<void>
  /** Whether an account may learn that this device is there; others are asked for nothing. */
  accepted(account: Address): Promise<boolean>
  /** Asks the device that sent a message to send it again to this one. */
  askAgain(to: Address, device: number, messageId: string): Promise<void>
}

export type Opened =
  /** `opening`: the path in `keys` of what opens it once more, until it is stored. */
  | { type: 'text'; text: string; device: number; trusted: boolean; opening: string }
  /** Keys only; nothing to show. `device` has proved to be the one that it says. */
  | { type: 'keys'; device: number; trusted: boolean }
  /** Seen before: the ratchet has moved on. */
  | { type: 'again' }
  /** Not for this device: it did not exist when the message was sent. */
  | { type: 'not-for-me' }
  /**
   * `asked`: whether the session is made anew and the sender's device asked, in the background (it is bounded). A stranger
   * is asked later, if they are let in.
   */
  | { type: 'unreadable'; asked: boolean }

export interface Fingerprint {
  account: Address
  device: number
  /** 32 bytes in hex. */
  fingerprint: string
  trust: 'undecided' | 'first-use' | 'verified' | 'distrusted'
  active: boolean
  /** Of this device itself. */
  own?: true
}

/** To be told to the person. */
export type CryptoEvent =
  /** A contact's device has another key, or a verified contact has a new device. */
  | { type: 'keys-changed'; account: Address; verified: boolean }
  /** My account has a device that can read along from here on, and that was not there when this one came. */
  | { type: 'new-device' }

export class NobodyCanRead extends Error {}

export interface Crypto {
  /** Makes this device's keys once, publishes what is missing, renews what is old. After each login. */
  online(): Promise<void>
  /** A device list came (XEP-0163 event). */
  devicesChanged(account: Address, ids: number[]): Promise<void>
  /**
   * For all trusted devices of `to` and all others of my own.
   * Throws NobodyCanRead if `to` has no device that may read it.
   */
  encrypt(to: Address, text: string): Promise<Envelope>
  /**
   * For one device that asked for a message again: throws NobodyCanRead if it may not read it. An empty text makes an
   * envelope of keys alone, as for asking, which any device gets that is not distrusted.
   */
  encryptFor(to: Address, device: number, text: string): Promise<Envelope>
  /**
   * Never throws for what is in the envelope. One at a time for each sender, in order. `messageId`: what to ask for if
   * it can't be read; of a message that was sent again, the original's. `sent`: when it was sent to all devices; left
   * out of one that was sent again, which may be for another.
   */
  decrypt(from: Address, envelope: Envelope, messageId: string, sent?: Moment): Promise<Opened>
  /**
   * Asks a device for a message that was read here (`again`) and is nowhere, in the background. Whether it is asked now: a
   * stranger is if they are let in.
   */
  askAgain(from: Address, device: number, messageId: string): Promise<boolean>
  /** An account, or any, may have been let in: what it is to be asked for, it is asked now, in the background. */
  letIn(account?: Address): void
  fingerprints(account: Address): Promise<Fingerprint[]>
  /** Sixty digits that both sides see alike: of all identity keys of the two accounts. */
  safetyNumber(account: Address): Promise<string>
  /**
   * What a QR code for comparing holds, and what is made of one that was scanned: whether it fits. If it does, the
   * account's keys are verified by that.
   */
  safetyCode(account: Address): Promise<string>
  compareCode(account: Address, scanned: string): Promise<boolean>
  setTrust(account: Address, device: number, trust: 'verified' | 'first-use' | 'distrusted'): Promise<void>
  /**
   * For comparing this device with another of my own: sixty digits that both show alike, made of the keys of the two, and the
   * key of the other. Rejects if that has none.
   */
  deviceNumber(device: number): Promise<{ digits: string; fingerprint: string }>
  /** A device of mine has this key, as somebody knows for certain: it is verified. False: it shows another one now. */
  verifyDevice(device: number, fingerprint: string): Promise<boolean>
  /** As `encryptFor` for a device of mine, under this verified key alone; throws NobodyCanRead if it shows another. */
  encryptVerified(device: number, fingerprint: string, text: string): Promise<Envelope>
  /** This device's OMEMO id. */
  device(): Promise<number>
  onEvent(listener: (event: CryptoEvent) => void): () => void
}
