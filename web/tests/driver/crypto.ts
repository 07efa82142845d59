/**
 * The web app's crypto as a program that tests in Python drive, over stdin and stdout by lines of JSON:
 * `{"id": 1, "do": name, "arguments": […]}`, answered by `{"id": 1, "result": …}` or `{"id": 1, "error": …}`.
 * Bytes are base64url.
 */
import 'fake-indexeddb/auto'
import { createInterface } from 'node:readline'
import { base64urlnopad } from '@scure/base'
import { type Bytes, fromBase64url } from '../../src/local/bytes'
import type { Bundle, Envelope, KeyNetwork, Opened } from '../../src/crypto/crypto'
import { Omemo } from '../../src/crypto/omemo'
import { Database } from '../../src/local/database'
import { discover } from '../../src/start/discovery'
import { codeText, parseCode } from '../../src/start/link-code'
import { newTicket, Newcomer, seal } from '../../src/start/linking'

interface WireBundle {
  identity: string
  signed: { id: number; key: string; signature: string }
  prekeys: { id: number; key: string }[]
}

interface WireEnvelope {
  sender: number
  iv: string
  keys: { device: number; prekey: boolean; data: string }[]
  payload?: string | null
}

const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const key = (text: string): Bytes => fromBase64url(text)

function wireBundle({ identity, signedPrekey: { id, key, signature }, prekeys }: Bundle): WireBundle {
  return {
    identity: base64urlnopad.encode(identity),
    signed: { id, key: base64urlnopad.encode(key), signature: base64urlnopad.encode(signature) },
    prekeys: prekeys.map(({ id, key }) => ({ id, key: base64urlnopad.encode(key) }))
  }
}

function wireEnvelope({ sender, iv, keys, payload }: Envelope): WireEnvelope {
  return {
    sender,
    iv: base64urlnopad.encode(iv),
    keys: keys.map(({ device, prekey, data }) => ({ device, prekey, data: base64urlnopad.encode(data) })),
    payload: payload === undefined ? null : base64urlnopad.encode(payload)
  }
}

function envelopeOf({ sender, iv, keys, payload }: WireEnvelope): Envelope {
  return {
    sender,
    iv: key(iv),
    keys: keys.map(({ device, prekey, data }) => ({ device, prekey, data: key(data) })),
    ...(payload === undefined || payload === null ? {} : { payload: key(payload) })
  }
}

/** What Python has told of the others' keys; what is sent is told as events. */
class Told implements KeyNetwork {
  readonly lists = new Map<string, number[]>()
  readonly bundles = new Map<string, Bundle>()

  constructor(private readonly account: string) {}

  devices = async (account: string): Promise<number[]> => this.lists.get(account) ?? []
  bundle = async (account: string, device: number): Promise<Bundle | undefined> =>
    this.bundles.get(`${account} ${device}`)
  publishDevices = async (ids: number[]): Promise<void> => {
    this.lists.set(this.account, ids)
    say({ event: 'devices', data: ids })
  }
  publishBundle = async (device: number, bundle: Bundle): Promise<void> => {
    this.bundles.set(`${this.account} ${device}`, bundle)
    say({ event: 'bundle', data: { device, bundle: wireBundle(bundle) } })
  }
  sendKeys = async (to: string, envelope: Envelope): Promise<void> =>
    say({ event: 'keys', data: { to, envelope: wireEnvelope(envelope) } })
  accepted = async (): Promise<boolean> => true
  askAgain = async (to: string, device: number, messageId: string): Promise<void> =>
    say({ event: 'ask', data: { to, device, messageId } })
}

let me = ''
let network = new Told('')
let database = new Database('none')
let crypto: Omemo | undefined
let newcomer: Newcomer | undefined

function started(): Omemo {
  if (crypto === undefined) throw new Error('not started')
  return crypto
}

const commands = {
  async start(account: string): Promise<number> {
    me = account
    network = new Told(me)
    database = new Database(me)
    crypto = new Omemo(database, me, network)
    await crypto.online()
    return crypto.device()
  },
  async know(account: string, bundles: Record<string, WireBundle>): Promise<void> {
    const ids = Object.keys(bundles).map(Number)
    for (const [device, { identity, signed, prekeys }] of Object.entries(bundles)) {
      network.bundles.set(`${account} ${device}`, {
        identity: key(identity),
        signedPrekey: { id: signed.id, key: key(signed.key), signature: key(signed.signature) },
        prekeys: prekeys.map((prekey) => ({ id: prekey.id, key: key(prekey.key) }))
      })
    }
    network.lists.set(account, account === me ? [...new Set([...ids, await started().device()])] : ids)
    await started().devicesChanged(account, network.lists.get(account) ?? [])
  },
  async encrypt(to: string, text: string): Promise<WireEnvelope> {
    return wireEnvelope(await started().encrypt([to], text))
  },
  async decrypt(from: string, envelope: WireEnvelope, id: string): Promise<Opened> {
    const opened = await started().decrypt(from, envelopeOf(envelope), id)
    if (opened.type === 'text') await database.keys.delete(opened.opening) // it is stored, then
    await started().idle()
    return opened
  },
  async forget(): Promise<void> {
    await database.keys.where('path').startsWith('session/').delete()
    crypto = new Omemo(database, me, network)
  },
  async fingerprints(account: string): Promise<string[]> {
    return (await started().fingerprints(account)).map(({ fingerprint }) => fingerprint)
  },
  async show(base: string, id: string, name: string): Promise<string> {
    newcomer = await Newcomer.create(base, id, name)
    return codeText(newcomer.code)
  },
  async open(sealed: string): Promise<unknown> {
    const letter = await newcomer?.open(key(sealed))
    return { ...letter, ticket: base64urlnopad.encode(letter?.ticket ?? new Uint8Array()) }
  },
  async seal(code: string, address: string, secrets: Record<string, unknown>): Promise<unknown> {
    const ticket = newTicket()
    const { sealed, ticketHash } = await seal(parseCode(code), { address, ticket, secrets })
    return {
      ticket: base64urlnopad.encode(ticket),
      sealed: base64urlnopad.encode(sealed),
      hash: base64urlnopad.encode(ticketHash)
    }
  },
  async discover(base: string, bearer: string, numbers: string[]): Promise<string[]> {
    const db = new Database(`contacts of ${bearer}`)
    return discover(
      db,
      async (method, path, body) => {
        const headers = { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' }
        const answer = await fetch(base + path, {
          method,
          headers,
          ...(body ? { body: JSON.stringify(body) } : {})
        })
        if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
        return answer.json()
      },
      numbers
    )
  }
}

const names = new Map<string, (...args: never[]) => Promise<unknown>>(Object.entries(commands))
for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: name, arguments: args } = JSON.parse(line) as { id: number; do: string; arguments: never[] }
  try {
    say({ id, result: (await names.get(name)?.(...args)) ?? null })
  } catch (error) {
    say({ id, error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) })
  }
}
