/**
 * The Double Ratchet with one other device, based on libsignal. Nothing is stored here: a step takes the stored state
 * and returns the new one, so a failed step changes nothing.
 *
 * libsignal 0.0.16 tries the sessions of a record one after the other, and keeps the changes of failed tries. Here each
 * try gets a copy of one session; the result of the first that succeeds is stored with the others.
 */
import { PreKeyWhisperMessage, WhisperMessage } from '@privacyresearch/libsignal-protocol-protobuf-ts'
import { SessionBuilder } from '@privacyresearch/libsignal-protocol-typescript/lib/session-builder'
import { SessionCipher } from '@privacyresearch/libsignal-protocol-typescript/lib/session-cipher'
import { SessionLock } from '@privacyresearch/libsignal-protocol-typescript/lib/session-lock'
import { SignalProtocolAddress } from '@privacyresearch/libsignal-protocol-typescript/lib/signal-protocol-address'
import { base64 } from '@scure/base'
import type { Bytes } from '../local/bytes'
import type { Bundle } from './crypto'
import {
  archived,
  type Chain,
  identityOf,
  type KeyPair,
  MAX_SKIPPED,
  noSessions,
  one,
  open,
  order,
  promoted,
  type Session,
  type Sessions,
  trimmed
} from './sessions'
import { type Self, SignalStorage } from './signal-storage'

/** Private keys that a first message may name. */
export interface Prekeys {
  one(id: number): Promise<{ pair: KeyPair; bases: string[] } | undefined>
  signed(id: number): Promise<KeyPair | undefined>
}

export interface Step {
  sessions: Sessions
  data: Bytes
}

export interface Read extends Step {
  /** The identity key of the sender: 33 bytes. */
  identity: Bytes
  /** The one-time prekey that a new session was made with, and their base key. */
  used?: { prekey: number; base: string }
  /** How many messages they have sent since they last received something from me. */
  counter: number
}

/** The message was decrypted before. */
export class Repeated extends Error {}

/** The message can't be decrypted. `work`: the approximate number of chain steps computed for it. */
export class Unreadable extends Error {
  constructor(
    reason: string,
    readonly work = 0
  ) {
    super(reason)
  }
}

/** The maximum cost of a message that is tried although too many others could not be read. */
const CHEAP = 50
const PUBLIC = 33
const TYPE = 5
const MAX_DATA = 2048
const RECEIVING = 2
const THEIRS = 2
const PEER = new SignalProtocolAddress('peer', 1)

export function isPublic(key: Uint8Array): boolean {
  return key instanceof Uint8Array && key.length === PUBLIC && key[0] === TYPE
}

/**
 * Makes a new session; the older ones are kept for late messages. Throws if the bundle is not signed by its identity
 * key.
 */
export async function begin(self: Self, bundle: Bundle, before: Sessions): Promise<Sessions> {
  const { identity, signedPrekey } = bundle
  const usable = bundle.prekeys.filter((prekey) => prekey.id > 0 && isPublic(prekey.key))
  const prekey = usable[Math.floor(Math.random() * usable.length)]
  if (![identity, signedPrekey.key].every(isPublic)) throw new Unreadable('a bundle with other keys')
  const storage = new SignalStorage(self)
  await quietly(() =>
    new SessionBuilder(storage, PEER).processPreKey({
      identityKey: buffer(identity),
      registrationId: 1,
      signedPreKey: {
        keyId: signedPrekey.id,
        publicKey: buffer(signedPrekey.key),
        signature: buffer(signedPrekey.signature)
      },
      // if all prekeys of the device are used, the session is made without one (X3DH, section 3.3)
      ...(prekey && { preKey: { keyId: prekey.id, publicKey: buffer(prekey.key) } })
    })
  )
  const theirs = identityOf(before) === base64.encode(identity) ? before : noSessions()
  return trimmed({
    sessions: { ...archived(theirs).sessions, ...storage.sessions() },
    dropped: theirs.dropped
  })
}

/** Encrypts the next message to them. `prekey`: whether it includes what they need to create the session. */
export async function seal(self: Self, before: Sessions, data: Bytes): Promise<Step & { prekey: boolean }> {
  const name = open(before)
  if (name === undefined) throw new Unreadable('no session to write with')
  const storage = new SignalStorage(self, one(before, name))
  const sealed = await quietly(() => new SessionCipher(storage, PEER).encrypt(data.buffer))
  return {
    sessions: trimmed({ ...before, sessions: { ...before.sessions, ...storage.sessions() } }),
    data: bytesOf(sealed.body ?? ''),
    prekey: sealed.type === 3
  }
}

/** Decrypts a message. Throws Repeated and Unreadable. `cheap`: tries only what costs next to nothing. */
export async function read(
  self: Self,
  before: Sessions,
  message: { prekey: boolean; data: Uint8Array },
  prekeys: Prekeys,
  cheap: boolean
): Promise<Read> {
  if (message.data.length > MAX_DATA) throw new Unreadable('too long')
  const data = new Uint8Array(message.data)
  return message.prekey ? readFirst(self, before, data, prekeys, cheap) : readNext(self, before, data, cheap)
}

async function readFirst(
  self: Self,
  before: Sessions,
  data: Bytes,
  prekeys: Prekeys,
  cheap: boolean
): Promise<Read> {
  const first = parsed(() => PreKeyWhisperMessage.decode(data.subarray(1)))
  if (![first.identityKey, first.baseKey].every(isPublic)) throw new Unreadable('not a first message')
  if (!(first.message instanceof Uint8Array)) throw new Unreadable('not a first message')
  const whisper = whisperOf(first.message)
  const identity = new Uint8Array(first.identityKey)
  const theirs = identityOf(before) === base64.encode(identity) ? before : noSessions()
  const base = base64.encode(first.baseKey)
  const known = Object.entries(theirs.sessions).find(
    ([, session]) => session.indexInfo.baseKey === base && session.indexInfo.baseKeyType === THEIRS
  )
  if (known !== undefined) {
    return attempt(self, theirs, known[0], new Uint8Array(first.message), whisper, cheap)
  }
  if (cheap) throw new Unreadable('too many that could not be read')
  const without = !first.preKeyId // 0 means none in libsignal, and is never used as an id here
  const one = without ? undefined : await prekeys.one(first.preKeyId)
  const signed = await prekeys.signed(first.signedPreKeyId)
  if ((one === undefined && !without) || signed === undefined)
    throw new Unreadable('for a prekey that is gone')
  if (one?.bases.includes(base)) throw new Unreadable('a first message again')
  const storage = new SignalStorage(self, {}, one?.pair, signed)
  const plain = await tried(whisper, undefined, () =>
    new SessionCipher(storage, PEER).decryptPreKeyWhisperMessage(data.buffer)
  )
  return {
    sessions: trimmed({
      sessions: { ...archived(theirs).sessions, ...storage.sessions() },
      dropped: theirs.dropped
    }),
    data: new Uint8Array(plain),
    identity,
    used: { prekey: first.preKeyId, base },
    counter: whisper.counter
  }
}

async function readNext(self: Self, before: Sessions, data: Bytes, cheap: boolean): Promise<Read> {
  const whisper = whisperOf(data)
  const names = Object.keys(before.sessions)
  const known = names.find((name) => before.sessions[name]?.chains[whisper.chain]?.chainType === RECEIVING)
  if (known !== undefined) return attempt(self, before, known, data, whisper, cheap)
  if (cheap) throw new Unreadable('too many that could not be read')
  const closed = (name: string): number => before.sessions[name]?.indexInfo.closed ?? 0
  const newest = names.sort((a, b) => order(closed(b)) - order(closed(a)))
  let work = 1
  for (const name of newest) {
    try {
      const read = await attempt(self, before, name, data, whisper, false)
      return { ...read, sessions: promoted(read.sessions, name) }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      work += error.work
    }
  }
  throw new Unreadable('no session fits', work)
}

/** Tries one session, on a copy. Afterwards it is open or closed as before. */
async function attempt(
  self: Self,
  before: Sessions,
  name: string,
  data: Bytes,
  whisper: Whisper,
  cheap: boolean
): Promise<Read> {
  const session = before.sessions[name]
  if (session === undefined) throw new Unreadable('no session')
  const chain = session.chains[whisper.chain]
  const ahead = whisper.counter - (chain?.chainKey.counter ?? -1)
  if (cheap && (chain === undefined || ahead > CHEAP)) throw new Unreadable('too many that could not be read')
  if (chain !== undefined && ahead <= 0 && chain.messageKeys[whisper.counter] === undefined) {
    if (whisper.counter <= (before.dropped[whisper.chain] ?? -1)) throw new Unreadable('its key was dropped')
    throw new Repeated()
  }
  const { closed, remoteIdentityKey } = session.indexInfo
  const storage = new SignalStorage(self, one(before, name))
  const plain = await tried(whisper, session, () =>
    new SessionCipher(storage, PEER).decryptWhisperMessage(data.buffer)
  )
  const after = storage.sessions()
  for (const [key, changed] of Object.entries(after)) {
    if (key === name) changed.indexInfo.closed = closed
  }
  return {
    sessions: trimmed({ ...before, sessions: { ...before.sessions, ...after } }),
    data: new Uint8Array(plain),
    identity: base64.decode(remoteIdentityKey) as Bytes,
    counter: whisper.counter
  }
}

interface Whisper {
  /** The sender's ratchet key in base64, which identifies the chain. */
  chain: string
  counter: number
  previousCounter: number
}

function whisperOf(data: Uint8Array): Whisper {
  if (data.length < 10) throw new Unreadable('not a message')
  const { ephemeralKey, counter, previousCounter } = parsed(() => WhisperMessage.decode(data.slice(1, -8)))
  if (!isPublic(ephemeralKey)) throw new Unreadable('not a message')
  return { chain: base64.encode(ephemeralKey), counter, previousCounter }
}

function parsed<T>(parse: () => T): T {
  try {
    return parse()
  } catch {
    throw new Unreadable('not a message')
  }
}

async function tried<T>(whisper: Whisper, session: Session | undefined, run: () => Promise<T>): Promise<T> {
  try {
    return await quietly(run)
  } catch (error) {
    const chain = session?.chains[whisper.chain]
    const before = session?.chains[session.currentRatchet.lastRemoteEphemeralKey]
    const steps = (from: Chain | undefined, to: number): number =>
      Math.min(MAX_SKIPPED, Math.max(0, to - (from?.chainKey.counter ?? -1)))
    const work =
      steps(chain, whisper.counter) + (before === undefined ? 0 : steps(before, whisper.previousCounter))
    throw new Unreadable(error instanceof Error ? error.message : 'not readable', work)
  }
}

/** Runs without libsignal's global cache, which would keep every error and promise for ever. */
async function quietly<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } finally {
    SessionLock.errors.length = 0
    SessionLock._promises.length = 0
  }
}

function buffer(data: Uint8Array): ArrayBuffer {
  return new Uint8Array(data).buffer
}

/** Converts a string with one byte in each character, as libsignal returns bytes. */
function bytesOf(text: string): Bytes {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}
