/**
 * The interface of end-to-end encryption: OMEMO in the namespace `eu.siacs.conversations.axolotl` (XEP-0384 0.3), based
 * on libsignal. Everything else is private to `crypto/`.
 */
import type { Address, Moment } from '../local/types'

/** `<encrypted/>` without XML. `payload` is missing if only keys are sent. */
export interface Envelope {
  sender: number
  iv: Uint8Array
  keys: { device: number; prekey: boolean; data: Uint8Array }[]
  payload?: Uint8Array
  /** Content beside the text, encrypted with the same key (docs/protocol.md, Groups). */
  extra?: { iv: Uint8Array; data: Uint8Array }
}

/** The published keys of a device, of others or our own. Public keys have 33 bytes, as in the protocol. */
export interface Bundle {
  identity: Uint8Array
  signedPrekey: { id: number; key: Uint8Array; signature: Uint8Array }
  prekeys: { id: number; key: Uint8Array }[]
}

/** Access to the published keys, implemented by `sync/`. All methods reject while there is no connection. */
export interface KeyNetwork {
  /** The device list of an account; empty if it has published none. */
  devices(account: Address): Promise<number[]>
  /** `undefined`: it has not published one. */
  bundle(account: Address, device: number): Promise<Bundle | undefined>
  publishDevices(ids: number[]): Promise<void>
  publishBundle(device: number, bundle: Bundle): Promise<void>
  /** Sends keys without a text to one device, for example after a session was replaced. */
  sendKeys(to: Address, envelope: Envelope): Promise<void>
  /** Whether an account may know that this device is online; others get no requests. */
  accepted(account: Address): Promise<boolean>
  /** Asks the device that sent a message to send it again to this one. */
  askAgain(to: Address, device: number, messageId: string): Promise<void>
}

export type Opened =
  /** `opening`: the path in `keys` of the data that can decrypt it again until it is stored. */
  | { type: 'text'; text: string; extra?: string; device: number; trusted: boolean; opening: string }
  /** Only keys, nothing to show. `device` is authenticated. */
  | { type: 'keys'; device: number; trusted: boolean }
  /** Seen before, so the ratchet can't decrypt it again. */
  | { type: 'again' }
  /** Not encrypted for this device, which did not exist when the message was sent. */
  | { type: 'not-for-me' }
  /**
   * `asked`: whether the session is replaced and the sender's device asked to send it again, in the background and with
   * limits. A stranger is asked after they are accepted.
   */
  | { type: 'unreadable'; asked: boolean }

export interface Fingerprint {
  account: Address
  device: number
  /** 32 bytes in hex. */
  fingerprint: string
  trust: 'undecided' | 'first-use' | 'verified' | 'distrusted'
  active: boolean
  /** This device itself. */
  own?: true
}

/** Events to show to the person. */
export type CryptoEvent =
  /** A contact's device has a new key, or a verified contact has a new device. */
  | { type: 'keys-changed'; account: Address; verified: boolean }
  /** My account has a new device, which can read everything from now on. */
  | { type: 'new-device' }

/** Fetches the bundles of several devices, in the same order. Rejects while there is no connection. */
export type BundleSource = (devices: [Address, number][]) => Promise<(Bundle | undefined)[]>

export class NobodyCanRead extends Error {}

export interface Crypto {
  /** Creates this device's keys once, publishes what is missing, and renews old keys. To be called after each login. */
  online(): Promise<void>
  /** Handles a published device list (an event of XEP-0163). */
  devicesChanged(account: Address, ids: number[]): Promise<void>
  /**
   * Encrypts for all trusted devices of these accounts and all my other devices. Throws NobodyCanRead if no device of
   * theirs may read it; rejects if the devices of one of them are unknown and can't be asked for now. `extra`: encrypted
   * with the same key.
   */
  encrypt(readers: readonly Address[], text: string, extra?: string): Promise<Envelope>
  /**
   * Encrypts for all trusted devices of several accounts, such as the members of a group, and all my other devices.
   * `devices`: the published ones of each. `extra`: encrypted with the same key. Throws NobodyCanRead if there are others
   * than me, and none of them may read it.
   */
  encryptForAll(
    devices: ReadonlyMap<Address, number[]>,
    text: string,
    extra: string | undefined,
    bundles: BundleSource
  ): Promise<Envelope>
  /**
   * Encrypts for one device that asked for a message again. Throws NobodyCanRead if it may not read it. An empty text
   * makes an envelope with keys only, such as for a request, which any device gets that is not distrusted.
   */
  encryptFor(to: Address, device: number, text: string, extra?: string): Promise<Envelope>
  /**
   * Decrypts a message. Never throws because of the envelope. Messages of each sender are handled one at a time, in
   * order. `messageId`: the id to ask for if it can't be read; for a message that was sent again, the original id.
   * `sent`: when it was sent to all devices; omitted for a message that was sent again, which may be for another
   * device.
   */
  decrypt(from: Address, envelope: Envelope, messageId: string, sent?: Moment): Promise<Opened>
  /**
   * Asks a device, in the background, for a message that was decrypted here (`again`) but was not stored. Returns
   * whether it is asked now; a stranger is asked after they are accepted.
   */
  askAgain(from: Address, device: number, messageId: string): Promise<boolean>
  /**
   * An account, or any account, may have been accepted: sends it the requests that were held back, in the background.
   */
  retryRequests(account?: Address): void
  /**
   * Whether an account publishes devices now, did so before as far as this device has seen, or never. Rejects if it
   * can't be asked now.
   */
  published(account: Address): Promise<'now' | 'before' | 'never'>
  fingerprints(account: Address): Promise<Fingerprint[]>
  /** The safety number of two accounts: sixty digits that both sides see, made from all identity keys of both. */
  safetyNumber(account: Address): Promise<string>
  /**
   * The content of a QR code for comparing keys, and whether a scanned one matches. If it does, the account's keys are
   * verified.
   */
  safetyCode(account: Address): Promise<string>
  compareCode(account: Address, scanned: string): Promise<boolean>
  setTrust(account: Address, device: number, trust: 'verified' | 'first-use' | 'distrusted'): Promise<void>
  /**
   * Sixty digits for comparing this device with another of my devices, which both show, and the fingerprint of the
   * other. Rejects if it has no key.
   */
  deviceNumber(device: number): Promise<{ digits: string; fingerprint: string }>
  /** Marks one of my devices as verified with this key, which is known for certain. False: it has another key now. */
  verifyDevice(device: number, fingerprint: string): Promise<boolean>
  /** As `encryptFor`, for one of my devices with this verified key only. Throws NobodyCanRead if it has another key. */
  encryptVerified(device: number, fingerprint: string, text: string): Promise<Envelope>
  /** This device's OMEMO id. */
  device(): Promise<number>
  onEvent(listener: (event: CryptoEvent) => void): () => void
}
