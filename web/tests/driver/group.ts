/** A group of many devices, whose keys are made here: for measuring what a message to it costs its sender. */
import { KeyHelper } from '@privacyresearch/libsignal-protocol-typescript/lib/key-helper'
import type { Bundle, Crypto, KeyNetwork } from '../../src/crypto/crypto'
import { openCrypto } from '../../src/crypto/open'
import { Database } from '../../src/local/database'
import { KeyBuffer } from '../../src/local/key-buffer'
import type { Address } from '../../src/local/types'
import { madeForGroup } from '../../src/xmpp/group-composed'

const ME = 'ada@example.org'
const GROUP = '0123456789abcdef01234567@groups.example.org'

const NOBODY: KeyNetwork = {
  devices: async () => [],
  bundle: async () => undefined,
  publishDevices: async () => undefined,
  publishBundle: async () => undefined,
  sendKeys: async () => undefined,
  accepted: async () => true,
  askAgain: async () => undefined
}

async function bundle(): Promise<Bundle> {
  const bytes = (key: ArrayBuffer) => new Uint8Array(key)
  const identity = await KeyHelper.generateIdentityKeyPair()
  const { keyPair, signature } = await KeyHelper.generateSignedPreKey(identity, 1)
  const one = await KeyHelper.generatePreKey(1)
  return {
    identity: bytes(identity.pubKey),
    signedPrekey: { id: 1, key: bytes(keyPair.pubKey), signature: bytes(signature) },
    prekeys: [{ id: 1, key: bytes(one.keyPair.pubKey) }]
  }
}

/** As permessage-deflate does (RFC 7692). */
async function compressed(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate-raw'))
  return (await new Response(stream).arrayBuffer()).byteLength
}

export class MeasuredGroup {
  private readonly bundles = new Map<string, Bundle>()
  private readonly devices = new Map<Address, number[]>()
  private crypto!: Crypto
  buffer!: KeyBuffer

  static async of(members: number, devices: number): Promise<MeasuredGroup> {
    const group = new MeasuredGroup()
    for (let at = 0; at < devices; at++) {
      const jid = `+4915100${String(at % members).padStart(6, '0')}@example.org`
      const ids = group.devices.get(jid) ?? []
      group.devices.set(jid, [...ids, 1_000_000_000 + at])
      group.bundles.set(`${jid} ${1_000_000_000 + at}`, await bundle())
    }
    const db = new Database('group')
    await db.open()
    group.buffer = new KeyBuffer(db)
    group.crypto = await openCrypto(group.buffer.database, ME, NOBODY)
    return group
  }

  /**
   * Encrypts a text for all, and stores the sessions. Returns milliseconds until the stanza is there, and until the
   * sessions are stored; the bytes of the stanza, and how many keys it has; its bytes when the WebSocket compresses it.
   */
  async send(text: string): Promise<number[]> {
    const began = performance.now()
    const cover = await this.crypto.encryptForAll(this.devices, text, undefined, async (some) =>
      some.map(([jid, id]) => this.bundles.get(`${jid} ${id}`))
    )
    const what = { type: 'message' as const, text }
    const stanza = madeForGroup(GROUP, crypto.randomUUID(), what, cover, 17, 'Ada').xml
    const made = performance.now()
    await this.buffer.flush()
    const stored = performance.now()
    const bytes = new TextEncoder().encode(stanza)
    return [made - began, stored - began, bytes.length, cover.keys.length, await compressed(bytes)]
  }

  /** All devices have answered: what begins a session is not sent with each message any more. */
  async answered(): Promise<void> {
    await this.buffer.flush()
    await new Database('group').keys
      .where('path')
      .startsWith('session/')
      .modify((row) => {
        const { sessions } = row.value as { sessions: Record<string, { pendingPreKey?: unknown }> }
        for (const session of Object.values(sessions)) delete session.pendingPreKey
      })
  }

  /** The bytes of the stanza that a device with so many siblings gets. */
  async received(text: string, siblings: number): Promise<number> {
    const cover = await this.crypto.encryptForAll(this.devices, text, undefined, async () => [])
    const own = { ...cover, keys: cover.keys.slice(0, siblings) }
    return madeForGroup(GROUP, crypto.randomUUID(), { type: 'message', text }, own, 17, 'Ada').xml.length
  }
}
